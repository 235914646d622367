import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { Readable, Transform } from "node:stream";
import { parseArgs } from "node:util";
import { withSecretFiles } from "../lib/secret-files.ts";
import type { ImportJob } from "../services/products/products.contract.ts";
import { ImportClient, ImportFailure } from "./import-client.ts";
import { count, megabytes, Progress } from "./import-progress.ts";

const USAGE = `Loads a catalogue into a running shop: one product a line, as JSON, plain or gzip.

  npm run import -- <file.jsonl[.gz]> [--stock 100] [--url http://localhost:3000] [--token TOKEN]

  --stock   pieces to receive for every new SKU (default 0)
  --url     where the shop is (default http://localhost:3000, or the port that PORT says)
  --token   an access token; without it STOA_ADMIN_EMAIL and STOA_ADMIN_PASSWORD sign in

Exit codes: 0 all rows are in, 1 it could not be done, 2 wrong usage, 3 done, but some rows were refused.`;

const POLL_MS = 500;
const SHOWN_ERRORS = 20;

interface Options {
	file: string;
	stock: number;
	url: string;
	credentials: { token: string } | { email: string; password: string };
}

class UsageError extends Error {}

process.exitCode = await main().catch((error: unknown) => {
	if (error instanceof UsageError) {
		console.error(`${error.message}\n\n${USAGE}`);
		return 2;
	}
	if (!(error instanceof ImportFailure)) throw error;
	console.error(`\nThe import failed: ${error.message}`);
	return 1;
});

async function main(): Promise<number> {
	if (process.argv.slice(2).some(argument => argument === "--help" || argument === "-h")) {
		console.log(USAGE);
		return 0;
	}
	const options = readOptions();
	const size = await sizeOf(options.file);
	const client = new ImportClient(options.url, options.credentials);
	await client.start();
	const jobId = await upload(client, options, size);
	// The server works on alone: what ends here is only the watching.
	process.once("SIGINT", () => {
		console.log(`\nStopped watching. The shop goes on with job ${jobId}: GET /api/v1/admin/jobs/${jobId}`);
		process.exit(130);
	});
	return report(...(await watched(client, jobId)));
}

function readOptions(): Options {
	const { values, positionals } = parsed();
	const [file, ...rest] = positionals;
	if (file === undefined || rest.length > 0) throw new UsageError("Name one file to import.");
	const stock = Number(values.stock);
	if (!/^\d{1,7}$/.test(values.stock)) throw new UsageError("--stock must be a whole number of pieces.");
	if (!URL.canParse(values.url)) throw new UsageError(`--url ${values.url} is not a URL.`);
	const mistakes: string[] = [];
	const { STOA_ADMIN_EMAIL: email, STOA_ADMIN_PASSWORD: password } = withSecretFiles(process.env, mistakes);
	if (mistakes.length > 0) throw new UsageError(mistakes.join(" "));
	const credentials = values.token ? { token: values.token } : email && password ? { email, password } : undefined;
	if (!credentials) throw new UsageError("Say who you are: --token, or STOA_ADMIN_EMAIL and STOA_ADMIN_PASSWORD.");
	return { file, stock, url: values.url, credentials };
}

function parsed() {
	try {
		return parseArgs({
			allowPositionals: true,
			options: {
				stock: { type: "string", default: "0" },
				url: { type: "string", default: `http://localhost:${process.env["PORT"]?.trim() || 3000}` },
				token: { type: "string" },
			},
		});
	} catch (error) {
		throw new UsageError(error instanceof Error ? error.message : String(error));
	}
}

async function sizeOf(file: string): Promise<number> {
	const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
		throw new ImportFailure(
			error.code === "ENOENT" ? `There is no file ${file}` : `Cannot read ${file} (${error.code})`,
		);
	});
	if (!found.isFile()) throw new ImportFailure(`${file} is not a file`);
	return found.size;
}

async function upload(client: ImportClient, { file, stock }: Options, size: number): Promise<string> {
	const progress = new Progress("Sending   ", size, (done, rate) => `${megabytes(done)}, ${megabytes(rate)}/s`);
	let sent = 0;
	const counting = new Transform({
		transform(part: Buffer, _encoding, next) {
			sent += part.length;
			progress.update(sent);
			next(null, part);
		},
	});
	const source = createReadStream(file);
	source.on("error", error => counting.destroy(error));
	const body = Readable.toWeb(source.pipe(counting)) as ReadableStream;
	const jobId = await client.upload(body, { stock, isGzip: await isGzip(file) });
	progress.end();
	return jobId;
}

/** By its first bytes: a name can say anything. */
async function isGzip(file: string): Promise<boolean> {
	const handle = await open(file);
	try {
		const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
		return buffer[0] === 0x1f && buffer[1] === 0x8b;
	} finally {
		await handle.close();
	}
}

async function watched(client: ImportClient, jobId: string): Promise<[ImportJob, number]> {
	let job = await client.job(jobId);
	const begun = job.processed;
	const progress = new Progress("Importing ", job.total, done => {
		const rate = (done - begun) / Math.max(progress.seconds, 0.001);
		return `${count(done)} of ${count(job.total)} rows, ${count(rate)}/s`;
	});
	while (job.status === "running") {
		progress.update(job.processed);
		await new Promise(resolve => setTimeout(resolve, POLL_MS));
		job = await client.job(jobId);
	}
	progress.update(job.processed);
	progress.end();
	return [job, progress.seconds];
}

function report(job: ImportJob, seconds: number): number {
	for (const { row, code, message } of job.errors.slice(0, SHOWN_ERRORS))
		console.log(`  row ${row}: ${code}: ${message}`);
	const more = job.failed - Math.min(job.errors.length, SHOWN_ERRORS);
	if (more > 0) console.log(`  … and ${count(more)} more: GET /api/v1/admin/jobs/${job.id}`);
	const rate = count(job.processed / Math.max(seconds, 0.001));
	console.log(
		`${count(job.created)} created, ${count(job.updated)} updated, ${count(job.failed)} refused ` +
			`of ${count(job.processed)} rows in ${seconds.toFixed(1)} s (${rate}/s)`,
	);
	if (job.status === "failed") throw new ImportFailure(`the shop gave up on job ${job.id}`);
	return job.failed > 0 ? 3 : 0;
}
