import { Schema } from "mongoose";
import { defineModel } from "../../../mixins/db.mixin.ts";
import { outboxFields, outboxIndex } from "../../../mixins/outbox.mixin.ts";
import type { ImportJob } from "../products.contract.ts";

/** An import on its way: the truth about it, whoever works on it. */
export interface ImportJobDocument extends Omit<ImportJob, "id" | "createdAt" | "finishedAt"> {
	_id: string;
	/** Pieces to receive for every new SKU. */
	stock: number;
	chunks: number;
	/** Where it goes on: lines of this chunk that are done. */
	chunk: number;
	line: number;
	/** Who works on it, a new one each time it is taken up: every write of the job names it. When it last showed. */
	owner: string | null;
	leaseAt: Date;
	/** Times it was taken up since it last got on; what the last one ended with, and when the next may begin. */
	attempts: number;
	error?: string | null;
	nextAt?: Date | null;
	/** When it was given up; an operator may resume it. */
	parkedAt?: Date | null;
	createdAt: Date;
	finishedAt: Date | null;
}

const jobSchema = new Schema<ImportJobDocument>(
	{
		_id: String,
		status: String,
		total: Number,
		processed: Number,
		created: Number,
		updated: Number,
		failed: Number,
		errors: { type: [{ row: Number, code: String, message: String, _id: false }], default: undefined },
		stock: Number,
		chunks: Number,
		chunk: Number,
		line: Number,
		owner: String,
		leaseAt: Date,
		attempts: Number,
		error: String,
		nextAt: Date,
		parkedAt: Date,
		createdAt: Date,
		finishedAt: Date,
		...outboxFields,
	},
	{ versionKey: false, suppressReservedKeysWarning: true },
);
jobSchema.index({ status: 1, leaseAt: 1 });
jobSchema.index({ parkedAt: 1 }, { partialFilterExpression: { parkedAt: { $type: "date" } } });
outboxIndex(jobSchema);

export const importJobModel = defineModel("import_jobs", jobSchema);

/** Whole lines of a file, at most 1 MB of them, compressed. `_id` is `<job>:<n>`. */
export interface ImportChunkDocument {
	_id: string;
	jobId: string;
	/** Lines of the file before this chunk. */
	firstLine: number;
	data: Buffer;
	at: Date;
}

/** What an upload leaves that was broken off by a crash; as long as a parked job may be resumed. */
const KEEP_SECONDS = 7 * 86_400;

const chunkSchema = new Schema<ImportChunkDocument>(
	{ _id: String, jobId: String, firstLine: Number, data: Buffer, at: Date },
	{ versionKey: false },
);
chunkSchema.index({ jobId: 1 });
chunkSchema.index({ at: 1 }, { expireAfterSeconds: KEEP_SECONDS });

export const importChunkModel = defineModel("import_chunks", chunkSchema);
