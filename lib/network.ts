import { isIP } from "node:net";

/** A network that is counted as one, and how many times what one client may do it may. */
export interface Network {
	name: string;
	share: number;
}

/** A home has a /64, often a /56; a /48 is a company's or the next best server's. */
const PREFIXES: readonly { groups: number; bits: number; share: number }[] = [
	{ groups: 4, bits: 0xffff, share: 1 },
	{ groups: 4, bits: 0xff00, share: 4 },
	{ groups: 3, bits: 0xffff, share: 16 },
];

const MAPPED = /^::ffff:(?:(\d[\d.]{6,14})|([\da-f]{1,4}):([\da-f]{1,4}))$/i;

/** An IPv4 address that came through an IPv6 socket, as all do where one socket listens to both, is still that address. */
export function plainAddress(address: string): string {
	const [, dotted, high, low] = MAPPED.exec(address) ?? [];
	if (dotted !== undefined) return isIP(dotted) === 4 ? dotted : address;
	if (high === undefined || low === undefined) return address;
	const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
	return [a >> 8, a & 255, b >> 8, b & 255].join(".");
}

/** What limits count by, the narrowest first: whoever has an IPv6 network has 2^64 addresses of it, or 2^80. */
export function networksOf(given: string): Network[] {
	const address = plainAddress(given);
	if (isIP(address) !== 6) return [{ name: address, share: 1 }];
	const groups = firstGroups(address);
	return PREFIXES.map(({ groups: count, bits, share }) => ({
		name: `${groups
			.slice(0, count)
			.map((group, i) => (i === count - 1 ? group & bits : group).toString(16))
			.join(":")}/${bits === 0xff00 ? 56 : count * 16}`,
		share,
	}));
}

/** The narrowest network an address belongs to: a client, as far as anybody can tell. */
export const networkOf = (address: string): string => networksOf(address)[0]?.name ?? address;

/** The widest that may be one party's. Where many from one place must not count as many, this is what counts. */
export const widestNetwork = (address: string): string => networksOf(address).at(-1)?.name ?? address;

/** Where an address comes from, as one provider's corner: the next best hundred addresses of one party are mostly there. */
export function neighbourhoodOf(given: string): string {
	const address = plainAddress(given);
	if (isIP(address) === 6)
		return `${firstGroups(address)
			.slice(0, 2)
			.map(group => group.toString(16))
			.join(":")}::/32`;
	return `${address.split(".").slice(0, 3).join(".")}.0/24`;
}

function firstGroups(address: string): number[] {
	const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
	const groups = head.split(":").filter(Boolean);
	const missing = tail === undefined ? 0 : Math.max(0, 8 - groups.length - tail.split(":").filter(Boolean).length);
	const all = [...groups, ...Array<string>(missing).fill("0"), ...(tail ?? "").split(":")];
	return [0, 1, 2, 3].map(i => Number.parseInt(all[i] ?? "0", 16) || 0);
}
