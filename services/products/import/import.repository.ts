import { isUtf8 } from "node:buffer";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Model } from "mongoose";
import { backoffMs, MAX_ATTEMPTS, type ParkedItem } from "../../../lib/attempts.ts";
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
const MAX_WAITING = 100;

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
		const { parkedAt, total, processed, created, updated, failed, errors, createdAt, finishedAt } = job;
		return {
			id,
			// To who waits for it a job that was given up has failed; an operator may still resume it.
			status: parkedAt ? "failed" : job.status,
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

	/** Jobs nobody has shown to work on, the oldest first. */
	async waiting(): Promise<string[]> {
		const found = await this.#jobs
			.find({ status: "running", parkedAt: null, $expr: isFree }, { _id: 1 })
			.sort({ leaseAt: 1 })
			.limit(MAX_WAITING)
			.lean<{ _id: string }[]>();
		return found.map(({ _id }) => _id);
	}

	/** Takes a job that is nobody's. One whose workers die without a word is taken up after longer and longer pauses. */
	async claim(id: string, owner: string): Promise<ImportJobDocument | null> {
		const attempts = { $add: ["$attempts", 1] };
		const claimed = await this.#jobs.collection.findOneAndUpdate(
			{ _id: id as never, status: "running", parkedAt: null, $expr: isFree },
			[
				{
					$set: {
						owner,
						attempts,
						leaseAt: "$$NOW",
						nextAt: { $add: ["$$NOW", { $multiply: [attempts, LEASE_MS] }] },
					},
				},
			],
			{ returnDocument: "after" },
		);
		return claimed as unknown as ImportJobDocument | null;
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
		await this.#jobs.updateOne(
			{ _id: id, owner, status: "running" },
			{ $set: { leaseAt: new Date(0), nextAt: null, attempts: 0 } },
		);
	}

	/** A try in vain: the next one comes later, or, after the last, when an operator says so. */
	async postpone({ _id, attempts }: Pick<ImportJobDocument, "_id" | "attempts">, owner: string, error: string) {
		const isLast = attempts >= MAX_ATTEMPTS;
		const change = isLast ? { parkedAt: "$$NOW" } : { nextAt: { $add: ["$$NOW", backoffMs(attempts)] } };
		await this.#jobs.collection.updateOne({ _id: _id as never, owner, status: "running" }, [
			{ $set: { ...change, leaseAt: new Date(0), owner: null, error: { $literal: error } } },
		]);
	}

	async parked(limit: number): Promise<ParkedItem[]> {
		const jobs = await this.#jobs.find(isParked).sort({ parkedAt: 1 }).limit(limit).lean<ImportJobDocument[]>();
		return jobs.flatMap(({ _id, attempts, error, parkedAt, processed, total }) =>
			parkedAt ? [{ id: _id, attempts, error: error ?? "", parkedAt, about: `row ${processed} of ${total}` }] : [],
		);
	}

	countParked(): Promise<number> {
		return this.#jobs.countDocuments(isParked);
	}

	/** @returns false when it is not parked */
	async resume(id: string): Promise<boolean> {
		const { modifiedCount } = await this.#jobs.updateOne(
			{ _id: id, status: "running", ...isParked },
			{ $set: { parkedAt: null, nextAt: null, attempts: 0, leaseAt: new Date(0) } },
		);
		return modifiedCount === 1;
	}

	/** The lines of a chunk; undefined when it was done and is gone. */
	async lines(jobId: string, n: number): Promise<{ firstLine: number; lines: Line[] } | undefined> {
		const chunk = await this.#chunks.collection.findOne({ _id: `${jobId}:${n}` } as never, { promoteBuffers: true });
		if (!chunk) return undefined;
		const { data, firstLine } = chunk as unknown as ImportChunkDocument;
		const lines = linesOf(await decompress(data));
		if (n === 0 && lines[0]?.startsWith("\uFEFF")) lines[0] = lines[0].slice(1);
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
				$set: { attempts: 0, nextAt: null, error: null },
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

	/**
	 * Ends a job that is still this owner's. Its chunks go with it, and with nobody else's word.
	 * @param why what stands first among its errors
	 */
	async finish(id: string, owner: string, status: "done" | "failed", now: Date, why?: BatchResult["errors"][number]) {
		const { modifiedCount } = await this.#jobs.updateOne({ _id: id, owner, status: "running" }, {
			$set: { status, finishedAt: now },
			...(why ? { $push: { errors: { $each: [why], $position: 0 } } } : {}),
		} as never);
		if (modifiedCount === 1) await this.discard(id);
	}
}

/** A line of a file; undefined when its bytes are not UTF-8: as text they would be something else. */
export type Line = string | undefined;

function linesOf(data: Buffer): Line[] {
	// Latin-1 is the same byte for the end of a line, and nothing is lost in it.
	const lines: Line[] = isUtf8(data)
		? data.toString("utf8").split("\n")
		: data
				.toString("latin1")
				.split("\n")
				.map(line => Buffer.from(line, "latin1"))
				.map(line => (isUtf8(line) ? line.toString("utf8") : undefined));
	if (lines.at(-1) === "") lines.pop();
	return lines;
}

const isFree = {
	$and: [
		{ $lte: ["$leaseAt", { $subtract: ["$$NOW", LEASE_MS] }] },
		{ $lte: [{ $ifNull: ["$nextAt", "$leaseAt"] }, "$$NOW"] },
	],
};
const isParked = { parkedAt: { $type: "date" as const } };
