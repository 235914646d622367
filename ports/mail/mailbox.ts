import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { makeFolder } from "../../embedded-mongod/src/folders.ts";
import { parseEmail } from "../../lib/email.ts";
import { escapeHtml } from "../../lib/html.ts";
import { newId } from "../../lib/ids.ts";
import { type MailMessage, type MailTransport, UnusableAddress } from "./port.ts";

const MAX_KEPT = 500;

export interface KeptMail extends MailMessage {
	id: string;
	sentAt: string;
}

/**
 * The development mailbox: mails are files in the data directory, and a small page on loopback shows them. It opens
 * with the first service that asks for it, so that of a cluster's nodes only the one that sends mail shows a page.
 */
export class Mailbox implements MailTransport {
	readonly engine = "mailbox";
	readonly #dir: string;
	readonly #port: number | undefined;
	#server: Server | undefined;
	#url: string | undefined;

	/** @param port where the page is; undefined shows none: mails hold tokens, and production is no place to read them */
	constructor(dataDir: string, port: number | undefined) {
		this.#dir = join(dataDir, "mailbox");
		this.#port = port;
	}

	get url(): string | undefined {
		return this.#url;
	}

	async start(): Promise<void> {
		await Promise.resolve();
	}

	async open(): Promise<void> {
		makeFolder(this.#dir);
		if (this.#port === undefined) return;
		const server = createServer((request, response) => {
			// A page of the internet may have its own name lead here, and would read the links in the mails.
			if (!isOwnName(request.headers.host))
				return answer(response, 421, "text/plain", "This is not the mailbox's name");
			this.#serve(request.url ?? "/", response).catch(() =>
				answer(response, 500, "text/plain", "The mailbox could not be read"),
			);
		});
		await listen(server, this.#port).catch((error: NodeJS.ErrnoException) => {
			if (error.code !== "EADDRINUSE") throw error;
			return listen(server, 0);
		});
		this.#server = server;
		this.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	}

	async stop(): Promise<void> {
		const server = this.#server;
		if (!server) return;
		this.#server = undefined;
		server.closeAllConnections();
		await new Promise(resolve => server.close(resolve));
	}

	async send(message: MailMessage): Promise<void> {
		if (parseEmail(message.to) === undefined) throw new UnusableAddress();
		const kept: KeptMail = { ...message, id: newId("ntf"), sentAt: new Date().toISOString() };
		makeFolder(this.#dir);
		const file = join(this.#dir, `${kept.id}.json`);
		// Whoever reads meanwhile finds the whole mail or none.
		await writeFile(`${file}.new`, JSON.stringify(kept), { mode: 0o600 });
		await rename(`${file}.new`, file);
		const names = (await readdir(this.#dir)).filter(name => name.endsWith(".json")).sort();
		for (const name of names.slice(0, -MAX_KEPT)) await rm(join(this.#dir, name), { force: true });
	}

	/** Newest first. */
	async list(): Promise<KeptMail[]> {
		const names = (await readdir(this.#dir).catch(() => [])).filter(name => name.endsWith(".json"));
		const mails = await Promise.all(
			names
				.sort()
				.reverse()
				.map(name => readFile(join(this.#dir, name), "utf8")),
		);
		return mails.map(text => JSON.parse(text) as KeptMail);
	}

	async #serve(path: string, response: ServerResponse): Promise<void> {
		const mails = await this.list();
		if (path === "/messages") return answer(response, 200, "application/json", JSON.stringify(mails));
		const [, id, part] = /^\/mail\/([A-Za-z0-9_]+)(\/html)?$/.exec(path) ?? [];
		const mail = mails.find(kept => kept.id === id);
		if (id && !mail) return answer(response, 404, "text/plain", "There is no such mail");
		if (mail && part) return answer(response, 200, "text/html", mail.html);
		return answer(response, 200, "text/html", page(mail ? showMail(mail) : showList(mails)));
	}
}

const isOwnName = (host = ""): boolean => /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/.test(host);

const listen = (server: Server, port: number): Promise<void> =>
	new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, "127.0.0.1", () => {
			server.off("error", reject);
			resolve();
		});
	});

function answer(response: ServerResponse, status: number, type: string, body: string): void {
	response.writeHead(status, {
		"content-type": `${type}; charset=utf-8`,
		"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; img-src data:",
		"x-content-type-options": "nosniff",
	});
	response.end(body);
}

const page = (body: string): string => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Stoa mailbox</title>
<meta name="viewport" content="width=device-width"><style>
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f6f5f1;color:#222}main{max-width:52rem;margin:2rem auto;padding:0 1rem}
a{color:#1d5d8c;text-decoration:none}li{background:#fff;margin:.5rem 0;padding:.8rem 1rem;border-radius:6px;list-style:none}
ul{padding:0}small{color:#666;display:block}iframe{width:100%;height:34rem;border:0;background:#fff;border-radius:6px}</style>
<main>${body}</main></html>`;

const showList = (mails: KeptMail[]): string =>
	`<h1>Mailbox</h1><p>Mails this shop would have sent. Set <code>SMTP_URL</code> to send them for real.</p><ul>${
		mails
			.map(
				mail =>
					`<li><a href="/mail/${mail.id}">${escapeHtml(mail.subject)}</a><small>to ${escapeHtml(mail.to)}, ${mail.sentAt}</small></li>`,
			)
			.join("") || "<li>No mail yet.</li>"
	}</ul>`;

const showMail = (mail: KeptMail): string =>
	`<p><a href="/">All mails</a></p><h1>${escapeHtml(mail.subject)}</h1><small>to ${escapeHtml(mail.to)}, ${mail.sentAt}</small>
<iframe sandbox="" src="/mail/${mail.id}/html" title="The mail"></iframe><details><summary>As text</summary><pre>${escapeHtml(mail.text)}</pre></details>`;
