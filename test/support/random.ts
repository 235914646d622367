/** Chance that can be had again: everything random in a test comes from one printed seed. */
export interface Random {
	readonly seed: number;
	/** A number from 0 up to 1, without 1. */
	next(): number;
	/** A whole number from 0 up to `below`, without it. */
	below(below: number): number;
	chance(probability: number): boolean;
	pick<T>(items: readonly T[]): T;
	/** Picks by weight: `{ tok_ok: 6, tok_slow: 1 }`. */
	weighted<K extends string>(weights: Readonly<Record<K, number>>): K;
	shuffled<T>(items: readonly T[]): T[];
	/** Another stream of chance that does not depend on how often this one is asked. */
	fork(name: string): Random;
}

/** The seed of `TEST_SEED`, or a fresh one; printed, so that a failure can be had again. */
export function seedOf(suite: string): number {
	const given = Number(process.env["TEST_SEED"]);
	const seed = Number.isInteger(given) && given > 0 ? given : 1 + Math.floor(Math.random() * 2 ** 31);
	process.stderr.write(`${suite}: TEST_SEED=${seed}\n`);
	return seed;
}

/** Mulberry32: small, fast, and good enough to shuffle tests with. */
export function createRandom(seed: number): Random {
	let state = seed >>> 0;
	const next = () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
	const below = (limit: number) => Math.floor(next() * limit);
	const pick = <T>(items: readonly T[]): T => {
		const item = items[below(items.length)];
		if (item === undefined) throw new Error("There is nothing to pick from");
		return item;
	};
	return {
		seed,
		next,
		below,
		chance: probability => next() < probability,
		pick,
		weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
			const entries = Object.entries(weights) as [K, number][];
			let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
			for (const [name, weight] of entries) {
				left -= weight;
				if (left < 0) return name;
			}
			return pick(entries)[0];
		},
		shuffled<T>(items: readonly T[]): T[] {
			const rest = [...items];
			for (let i = rest.length - 1; i > 0; i--) {
				const j = below(i + 1);
				[rest[i], rest[j]] = [rest[j] as T, rest[i] as T];
			}
			return rest;
		},
		fork(name) {
			let hash = seed;
			for (const char of name) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0;
			return createRandom(hash);
		},
	};
}
