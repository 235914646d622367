const BAR_WIDTH = 28;
const REDRAW_MS = 100;
const PLAIN_LINE_MS = 5_000;

/** How far something is, on one line that redraws itself; without a terminal, a plain line every five seconds. */
export class Progress {
	readonly #label: string;
	readonly #total: number;
	readonly #describe: (done: number, perSecond: number) => string;
	readonly #out: NodeJS.WriteStream;
	readonly #startedAt = performance.now();
	#done = 0;
	#drawnAt = Number.NEGATIVE_INFINITY;

	constructor(
		label: string,
		total: number,
		describe: (done: number, perSecond: number) => string,
		out: NodeJS.WriteStream = process.stdout,
	) {
		this.#label = label;
		this.#total = total;
		this.#describe = describe;
		this.#out = out;
	}

	update(done: number): void {
		this.#done = done;
		const now = performance.now();
		if (now - this.#drawnAt < (this.#out.isTTY ? REDRAW_MS : PLAIN_LINE_MS)) return;
		this.#drawnAt = now;
		this.#draw();
	}

	end(): void {
		this.#draw();
		if (this.#out.isTTY) this.#out.write("\n");
	}

	/** Seconds since it began. */
	get seconds(): number {
		return (performance.now() - this.#startedAt) / 1_000;
	}

	#draw(): void {
		const text = this.#describe(this.#done, this.#done / Math.max(this.seconds, 0.001));
		const share = this.#total > 0 ? Math.min(this.#done / this.#total, 1) : 1;
		const percent = `${Math.floor(share * 100)}`.padStart(3);
		if (!this.#out.isTTY) {
			this.#out.write(`${this.#label} ${percent} %  ${text}\n`);
			return;
		}
		const full = Math.round(share * BAR_WIDTH);
		const bar = "█".repeat(full) + "░".repeat(BAR_WIDTH - full);
		this.#out.write(`\r\x1b[K${this.#label} ${bar} ${percent} %  ${text}`);
	}
}

export const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;

export const count = (value: number): string => Math.round(value).toLocaleString("en");
