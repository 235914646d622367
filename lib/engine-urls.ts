/** What the URL of an engine promises: who is asked for a password, and whether anybody on the way can read along. */

/** Whether the scheme alone means TLS, and which parameters ask for it. Others that look like it are not read there. */
const TLS: Readonly<Record<string, { isAlways: boolean; asks?: RegExp }>> = {
	nats: { isAlways: false },
	tls: { isAlways: true },
	redis: { isAlways: false },
	rediss: { isAlways: true },
	smtp: { isAlways: false, asks: /^requireTLS=true$/ },
	smtps: { isAlways: true, asks: /^requireTLS=true$/ },
	mongodb: { isAlways: false, asks: /^(?:tls|ssl)=true$/ },
	"mongodb+srv": { isAlways: true, asks: /^(?:tls|ssl)=true$/ },
};
/** Whatever else is said about TLS takes something away from it: drivers know many names for that, and read values loosely. */
const IS_ABOUT_TLS = /tls|ssl|secure|unauthorized|identity/;
const TAKES_NOTHING =
	/^(?:tls(?:cafile|crlfile|certificatekeyfile|certificatekeyfilepassword)|tls\.(?:servername|minversion))=|^tls(?:insecure|allowinvalid[a-z]+)=false$/;

/** What an engine's URL lacks to be talked to over a network: a word for people, empty when nothing. */
export function lackingIn(url: string): string {
	const [, scheme = "", authority = ""] = /^([a-z+]+):\/\/([^/?#]*)/.exec(url) ?? [];
	const at = authority.lastIndexOf("@");
	// A Unix socket goes over no network, and its file's rights say who may use it.
	const hosts = authority.slice(at + 1).split(",");
	if (scheme === "mongodb" && hosts.every(host => /^%2f/i.test(host))) return "";
	const [user = "", password = ""] = at < 0 ? [] : authority.slice(0, at).split(":");
	const params = paramsOf(url, scheme);
	const isToken = user !== "" && (scheme === "nats" || scheme === "tls");
	const isCertificate = params.includes("authmechanism=MONGODB-X509");
	return [
		...(password || isToken || isCertificate ? [] : ["credentials"]),
		...(hasVerifiedTls(scheme, params) ? [] : ["verified TLS"]),
	].join(" and no ");
}

/** As `name=value`, read as the drivers do: MongoDB's alone does not mind how names are written. */
function paramsOf(url: string, scheme: string): string[] {
	const [, query = ""] = /^[^?#]*\?([^#]*)/.exec(url) ?? [];
	const isAnyCase = scheme.startsWith("mongodb");
	return [...new URLSearchParams(query)].map(([name, value]) => `${isAnyCase ? name.toLowerCase() : name}=${value}`);
}

function hasVerifiedTls(scheme: string, params: readonly string[]): boolean {
	const { isAlways, asks } = TLS[scheme] ?? { isAlways: false };
	const isAsked = (param: string): boolean => asks?.test(param) === true;
	const isTaken = (param: string): boolean =>
		IS_ABOUT_TLS.test(param.slice(0, param.indexOf("=")).toLowerCase()) &&
		!isAsked(param) &&
		!TAKES_NOTHING.test(param);
	return (isAlways || params.some(isAsked)) && !params.some(isTaken);
}
