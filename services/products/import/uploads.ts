import { DomainError } from "../../../lib/errors.ts";

/** The uploads this node takes in, so that one whose client has gone can be stopped. */
export class Uploads {
	readonly #running = new Map<string, AbortController>();

	/** Runs an upload that ends, with BAD_REQUEST, once it is abandoned. */
	async run<T>(uploadId: string | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
		const controller = new AbortController();
		if (uploadId !== undefined) this.#running.set(uploadId, controller);
		try {
			return await work(controller.signal);
		} finally {
			if (uploadId !== undefined) this.#running.delete(uploadId);
		}
	}

	/** Told to every node; only one of them has it. */
	abandon(uploadId: string): void {
		this.#running.get(uploadId)?.abort(new DomainError("BAD_REQUEST", "The client did not wait for the answer"));
	}
}
