type Truthy<T> = Exclude<T, false | null | undefined | 0 | "">;

/**
 * Waits until `probe` gives something truthy, and gives that. Polls, since what it waits for lives in other processes.
 * @throws after `timeoutMs`, with what was waited for
 */
export async function until<T>(what: string, probe: () => Promise<T> | T, timeoutMs = 15_000): Promise<Truthy<T>> {
	const deadline = Date.now() + timeoutMs;
	let last: unknown;
	while (Date.now() < deadline) {
		try {
			const found = await probe();
			if (found) return found as Truthy<T>;
			last = found;
		} catch (error) {
			last = error;
		}
		await new Promise(resolve => setTimeout(resolve, 20));
	}
	throw new Error(`Waited ${timeoutMs} ms for ${what}; the last look gave ${String(last)}`);
}
