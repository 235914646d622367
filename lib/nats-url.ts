/** How the NATS client wants what a URL says: it reads neither credentials nor the scheme itself. */
export interface NatsOptions {
	servers: string[];
	user?: string;
	pass?: string;
	token?: string;
	tls?: object;
	ignoreAuthErrorAbort: true;
}

/** `nats://host`, `nats://user:password@host`, `nats://token@host`; `tls://…` likewise, and encrypted. */
export function natsOptions(url: string): NatsOptions {
	const { protocol, host, username, password } = new URL(url.replace(/^(?:nats|tls):/, scheme => `x-${scheme}`));
	const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
	return {
		servers: [host],
		// Refused twice, the client would give up for ever, and the node with it: a password changes while nodes run.
		ignoreAuthErrorAbort: true,
		...(pass ? { user, pass } : user ? { token: user } : {}),
		...(protocol === "x-tls:" ? { tls: {} } : {}),
	};
}
