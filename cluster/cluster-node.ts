import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { environmentFor } from "../lib/secret-files.ts";
import { ended } from "./servers.ts";
import { endOf, Supervisor, type SupervisorOptions } from "./supervisor.ts";

const ROOT = join(import.meta.dirname, "..");
const READY_TIMEOUT_MS = 30_000;
/** A little more than a node takes at most to stop by itself. */
const STOP_TIMEOUT_MS = 30_000;

/** What `run.mjs` told the launcher about its heap holds for the nodes as well. */
const leanHeap = process.execArgv.filter(flag => /^--(heap|max)-/.test(flag));

/** One process, and the services it runs. */
export interface Group {
	name: string;
	services: string[];
}

export interface ClusterProcess extends Group {
	readonly pid: number;
	/** Where it answers health. */
	readonly opsUrl: string;
	/** Where mails of a development can be read, if this process sends them. */
	readonly mailUrl: string | undefined;
	kill(signal: NodeJS.Signals): void;
	/** Resolves when the process that runs now has ended. */
	exited(): Promise<void>;
	/** Stops it if it runs, and starts it with these settings on top of the cluster's. */
	restart(env?: Readonly<Record<string, string>>): Promise<void>;
}

export interface NodePlan extends Group {
	env: Readonly<Record<string, string>>;
	/** Of the gateway, if it has one. */
	port: number | undefined;
	logFile: string;
}

/** A process of the cluster that runs `main.ts`. */
export class ClusterNode implements ClusterProcess {
	readonly name: string;
	readonly services: string[];
	readonly url: string | undefined;
	opsUrl = "";
	mailUrl: string | undefined;
	/** Resolves when the processes of the cluster know each other again. */
	onRestarted: () => Promise<void> = () => Promise.resolve();
	readonly #plan: NodePlan;
	readonly #supervisor: Supervisor;
	#child: ChildProcess | undefined;
	#readyChild: ChildProcess | undefined;
	#extra: Readonly<Record<string, string>> = {};
	#exit: Promise<void> = Promise.resolve();
	#isStopping = false;

	constructor(plan: NodePlan, options: SupervisorOptions) {
		this.name = plan.name;
		this.services = plan.services;
		this.url = plan.port ? `http://127.0.0.1:${plan.port}` : undefined;
		this.#plan = plan;
		this.#supervisor = new Supervisor(options, async () => {
			await this.start();
			// It runs: what the others make of it is no reason to start a second one.
			await this.onRestarted().catch(error => options.onEvent?.(String(error)));
		});
	}

	get pid(): number {
		return this.#child?.pid ?? 0;
	}

	get isReady(): boolean {
		return this.#readyChild !== undefined && this.#readyChild === this.#child && this.#child.connected;
	}

	/** Resolves when the node is ready. @throws when it ends before, or takes too long, which ends it */
	async start(): Promise<void> {
		const { env: settings, logFile } = this.#plan;
		const log = openSync(logFile, "a", 0o600);
		const env: NodeJS.ProcessEnv = environmentFor(process.env, { ...settings, ...this.#extra });
		delete env["NODE_OPTIONS"];
		// A group of its own: Ctrl-C is for the launcher. The channel is how it learns that the launcher is gone.
		const child = spawn(process.execPath, [...leanHeap, "main.ts"], {
			cwd: ROOT,
			env,
			detached: true,
			stdio: ["ignore", log, log, "ipc"],
		});
		closeSync(log);
		const startedAt = performance.now();
		this.#child = child;
		this.#exit = new Promise(resolve => child.once("exit", () => resolve()));
		child.once("exit", (code, signal) => {
			if (this.#isStopping || child !== this.#child) return;
			this.#supervisor.crashed(this.name, endOf(code, signal), performance.now() - startedAt);
		});
		try {
			await this.#ready(child);
		} catch (error) {
			// What is tried again must not meet its predecessor.
			if (child.pid !== undefined) await ended(child, "SIGKILL");
			throw error;
		}
		this.#readyChild = child;
	}

	/** Whether this process found these services in time, wherever they run. */
	async meet(services: readonly string[]): Promise<boolean> {
		const child = this.#child;
		if (!child?.connected) return false;
		const answer = new Promise<boolean>(resolve => {
			child.once("message", message => resolve((message as { hasMet: boolean }).hasMet));
		});
		// When it cannot be told any more, its end says so.
		child.send({ waitFor: services }, () => undefined);
		return Promise.race([answer, this.exited().then(() => false)]);
	}

	kill(signal: NodeJS.Signals): void {
		this.#child?.kill(signal);
	}

	exited(): Promise<void> {
		return this.#exit;
	}

	async restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
		this.#extra = env;
		await this.stop();
		this.#isStopping = false;
		await this.start();
		await this.onRestarted();
	}

	async stop(): Promise<void> {
		this.#isStopping = true;
		this.#supervisor.cancel();
		if (this.#child) await ended(this.#child, "SIGTERM", STOP_TIMEOUT_MS);
	}

	async #ready(child: ChildProcess): Promise<void> {
		const { promise, resolve, reject } = Promise.withResolvers<void>();
		const timer = setTimeout(() => {
			reject(new Error(`${this.name} was not ready within ${READY_TIMEOUT_MS} ms; see ${this.#plan.logFile}`));
			child.kill("SIGKILL");
		}, READY_TIMEOUT_MS);
		child.once("message", message => {
			const { opsUrl, mailUrl } = message as { opsUrl: string; mailUrl?: string };
			this.opsUrl = opsUrl;
			this.mailUrl = mailUrl;
			resolve();
		});
		child.on("error", reject);
		child.once("exit", (code, signal) => {
			reject(new Error(`${this.name} ended (${endOf(code, signal)}) before it was ready; see ${this.#plan.logFile}`));
		});
		try {
			await promise;
		} finally {
			clearTimeout(timer);
		}
	}
}
