import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Model } from "mongoose";
import { notFound } from "../../../lib/errors.ts";
import type { OutboxEntry } from "../../../lib/events.ts";
import type { RowError } from "../domain/import-row.ts";
import type { ImportJob } from "../products.contract.ts";
import type { ImportChunkDocument, ImportJobDocument } from "./import.model.ts";
import type { Chunk, Spooled } from "./spool.ts";

const decompress = promisify(gunzip);

/** Without a sign of life for so long, by the database's clock, a job is anyone's. */
const LEASE_MS = 5_000;
const MAX_ERRORS = 1_000;

export interface BatchResult {
	lines: number;
	processed: number;
	created: number;
	updated: number;
	errors: ({ row: number } & RowError)[];
}

export class ImportRepository {
	readonly #jobs: Model<ImportJobDocument>;
	readonly #chunks: Model<ImportChunkDocument>;

	constructor(jobs: Model<ImportJobDocument>, chunks: Model<ImportChunkDocument>) {
		this.#jobs = jobs;
		this.#chunks = chunks;
	}

	async store(jobId: string, { n, firstLine, data }: Chunk, at: Date): Promise<void> {
		await this.#chunks.collection.insertOne({ _id: `${jobId}:${n}`, jobId, firstLine, data, at } as never);
	}

	async discard(jobId: string): Promise<void> {
		await this.#chunks.deleteMany({ jobId });
	}

	async create(id: string, { chunks, rows }: Spooled, stock: number, now: Date): Promise<void> {
		await this.#jobs.create({
			_id: id,
			status: "running",
			total: rows,
			processed: 0,
			created: 0,
			updated: 0,
			failed: 0,
			errors: [],
			stock,
			chunks,
			chunk: 0,
			line: 0,
			owner: null,
			leaseAt: new Date(0),
			attempts: 0,
			createdAt: now,
			finishedAt: null,
		});
	}

	async view(id: string): Promise<ImportJob> {
		const job = await this.#jobs.findById(id).lean<ImportJobDocument>();
		if (!job) throw notFound("The job");
		const { status, total, processed, created, updated, failed, errors, createdAt, finishedAt } = job;
		return {
			id,
			status,
			total,
			processed,
			created,
			updated,
			failed,
			errors,
			createdAt: createdAt.toISOString(),
			finishedAt: finishedAt?.toISOString() ?? null,
		};
	}

	/** Jobs nobody has shown to work on. */
	async waiting(): Promise<string[]> {
		const found = await this.#jobs.find({ status: "running", $expr: isFree }, { _id: 1 }).lean<{ _id: string }[]>();
		return found.map(({ _id }) => _id);
	}

	/** Takes a job that is nobody's. */
	claim(id: string, owner: string): Promise<ImportJobDocument | null> {
		return this.#jobs
			.findOneAndUpdate(
				{ _id: id, status: "running", $expr: isFree },
				{ $set: { owner }, $inc: { attempts: 1 }, $currentDate: { leaseAt: true } },
				{ returnDocument: "after" },
			)
			.lean<ImportJobDocument>();
	}

	/** A sign of life. @returns whether the job is still this owner's */
	async renew(id: string, owner: string): Promise<boolean> {
		const { matchedCount } = await this.#jobs.updateOne(
			{ _id: id, owner, status: "running" },
			{ $currentDate: { leaseAt: true } },
		);
		return matchedCount === 1;
	}

	/** Lets go of a job, so that another node need not wait for the lease to run out. */
	async letGo(id: string, owner: string): Promise<void> {
		await this.#jobs.updateOne({ _id: id, owner }, { $set: { leaseAt: new Date(0) } });
	}

	/** The lines of a chunk; undefined when it was done and is gone. */
	async lines(jobId: string, n: number): Promise<{ firstLine: number; lines: string[] } | undefined> {
		const chunk = await this.#chunks.collection.findOne({ _id: `${jobId}:${n}` } as never, { promoteBuffers: true });
		if (!chunk) return undefined;
		const { data, firstLine } = chunk as unknown as ImportChunkDocument;
		const text = (await decompress(data)).toString("utf8");
		const lines = (n === 0 && text.startsWith("\uFEFF") ? text.slice(1) : text).split("\n");
		if (lines.at(-1) === "") lines.pop();
		return { firstLine, lines };
	}

	/**
	 * Counts a batch, once: only from where it began and only by who holds the job.
	 * @returns whether it counted
	 */
	async advance(
		job: Pick<ImportJobDocument, "_id" | "chunk" | "line">,
		owner: string,
		{ lines, processed, created, updated, errors }: BatchResult,
		event: OutboxEntry | undefined,
	): Promise<boolean> {
		const { modifiedCount } = await this.#jobs.updateOne(
			{ _id: job._id, owner, status: "running", chunk: job.chunk, line: job.line },
			{
				$inc: { line: lines, processed, created, updated, failed: errors.length },
				$set: { attempts: 0 },
				$push: {
					errors: { $each: errors, $slice: MAX_ERRORS },
					...(event ? { outbox: event } : {}),
				} as never,
				$currentDate: { leaseAt: true },
			},
		);
		return modifiedCount === 1;
	}

	async nextChunk(job: Pick<ImportJobDocument, "_id" | "chunk">, owner: string): Promise<boolean> {
		const { modifiedCount } = await this.#jobs.updateOne(
			{ _id: job._id, owner, status: "running", chunk: job.chunk },
			{ $set: { line: 0 }, $inc: { chunk: 1 }, $currentDate: { leaseAt: true } },
		);
		if (modifiedCount === 1) await this.#chunks.deleteOne({ _id: `${job._id}:${job.chunk}` });
		return modifiedCount === 1;
	}

	async finish(id: string, owner: string, status: "done" | "failed", now: Date): Promise<void> {
		await this.#jobs.updateOne({ _id: id, owner, status: "running" }, { $set: { status, finishedAt: now } });
		await this.discard(id);
	}
}

const isFree = { $lte: ["$leaseAt", { $subtract: ["$$NOW", LEASE_MS] }] };
