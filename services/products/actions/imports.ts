import type { Readable } from "node:stream";
import { DomainError } from "../../../lib/errors.ts";
import { newId } from "../../../lib/ids.ts";
import { idRule } from "../../../lib/rules.ts";
import { uploadedBytes } from "../../../lib/upload-stream.ts";
import { type Chunk, spool } from "../import/spool.ts";
import type { ProductsActionGroup } from "../products.types.ts";
import { IMPORT_QUEUE } from "../products.types.ts";

const tags = ["Catalogue, staff"];

/** Loading a whole catalogue. */
export const importActions: ProductsActionGroup<"import" | "importJob"> = {
	import: {
		visibility: "published",
		rest: { route: "POST /admin/products/import", status: 202, body: "stream" },
		permissions: ["products:write"],
		// An upload takes as long as it takes.
		timeout: 0,
		params: { stock: { type: "number", integer: true, min: 0, max: 1_000_000, convert: true, optional: true } },
		openapi: {
			summary: "Loads a catalogue of any size",
			description:
				"The body is `application/x-ndjson`, one product a line, plain or gzip. Answers once it is stored whole; the job then works on it. A row that cannot be stored as it was sent is refused with its number: `VALIDATION_ERROR`, `INVALID_JSON`, `INVALID_ENCODING`, `UNKNOWN_CATEGORY`, or `DUPLICATE_SKU` for a SKU that stands in an earlier row.",
			response: "ImportAccepted",
			tags,
		},
		async handler(ctx) {
			const { stream } = ctx;
			if (!stream) throw new DomainError("UNSUPPORTED_MEDIA_TYPE", "Send application/x-ndjson");
			const { clock, jobs } = this.broker.stoa;
			const jobId = newId("job", clock.nowMs());
			try {
				const store = (chunk: Chunk) => this.imports.store(jobId, chunk, clock.now());
				const bytes = uploadedBytes(this.broker, stream as Readable, ctx.meta);
				const spooled = await this.uploads.run(ctx.meta.uploadId, signal => spool(bytes, store, signal));
				await this.imports.create(jobId, spooled, ctx.params.stock ?? 0, clock.now());
			} catch (error) {
				await this.imports.discard(jobId);
				throw error;
			}
			await jobs.wake(IMPORT_QUEUE, jobId);
			return { jobId };
		},
	},
	importJob: {
		visibility: "published",
		rest: "GET /admin/jobs/:id",
		permissions: ["products:write"],
		isIdempotent: true,
		params: { id: idRule() },
		openapi: { summary: "How far an import is", response: "ImportJob", tags },
		handler(ctx) {
			return this.imports.view(ctx.params.id);
		},
	},
};
