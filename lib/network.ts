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

/** An IPv4 address that came through an IPv6 socket, as all do where one socket listens to both, is still that address. */
export function plainAddress(address: string): string {
	if (isIP(address) !== 6) return address;
	const [low, high, ...network] = groupsOf(address).reverse();
	if (high === undefined || low === undefined || network.join() !== "65535,0,0,0,0,0") return address;
	return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** What limits count by, the narrowest first: whoever has an IPv6 network has 2^64 addresses of it, or 2^80. */
export function networksOf(given: string): Network[] {
	const address = plainAddress(given);
	if (isIP(address) !== 6) return [{ name: address, share: 1 }];
	const groups = groupsOf(address);
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
		return `${groupsOf(address)
			.slice(0, 2)
			.map(group => group.toString(16))
			.join(":")}::/32`;
	return `${address.split(".").slice(0, 3).join(".")}.0/24`;
}

/** The eight numbers of an IPv6 address, whichever of its spellings this is. */
function groupsOf(address: string): number[] {
	const [head = "", tail = ""] = (address.split("%")[0] ?? "").split("::");
	const [before, after] = [numbersOf(head), numbersOf(tail)];
	const missing = Math.max(0, 8 - before.length - after.length);
	return [...before, ...Array<number>(missing).fill(0), ...after];
}

/** The last two may be written as an IPv4 address. */
const numbersOf = (part: string): number[] =>
	part
		.split(":")
		.filter(Boolean)
		.flatMap(group => {
			if (!group.includes(".")) return [Number.parseInt(group, 16)];
			const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
			return [(a << 8) | b, (c << 8) | d];
		});
