/**
 * Waits for work, but not for ever: what cannot be hurried can still be left behind.
 * @returns whether it ended in time
 * @throws what the work throws in time; what it throws later is nobody's any more
 */
export async function endsWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
	let timer: NodeJS.Timeout | undefined;
	const tooLate = new Promise<boolean>(resolve => {
		timer = setTimeout(() => resolve(false), ms);
	});
	const ended = work.then(() => true);
	// Raced, an error that comes too late would be unhandled.
	ended.catch(() => undefined);
	return Promise.race([ended, tooLate]).finally(() => clearTimeout(timer));
}
