import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { until } from "./until.ts";

const ROOT = join(import.meta.dirname, "..", "..");

/** A program of Stoa as a process of its own, as a person starts it. */
export interface Program {
	readonly output: string;
	pid: number;
	/** Resolves when it printed this. */
	prints(text: string | RegExp, timeoutMs?: number): Promise<void>;
	kill(signal: NodeJS.Signals): void;
	/** Its exit code; null when a signal ended it. */
	exited: Promise<number | null>;
	write(text: string): void;
}

/** @param args what follows `node run.mjs` */
export const startProgram = (args: readonly string[], env: Record<string, string> = {}): Program =>
	startCommand(process.execPath, ["run.mjs", ...args], env);

/** Any program, such as npm, in the folder of Stoa. */
export function startCommand(command: string, args: readonly string[], env: Record<string, string> = {}): Program {
	const clean: NodeJS.ProcessEnv = { ...process.env, ...env };
	// Jest's options are not for what it starts.
	delete clean["NODE_OPTIONS"];
	const child: ChildProcess = spawn(command, args, { cwd: ROOT, env: clean, stdio: "pipe" });
	let output = "";
	for (const stream of [child.stdout, child.stderr]) {
		stream?.setEncoding("utf8").on("data", (part: string) => {
			output += part;
		});
	}
	const exited = new Promise<number | null>(resolve => child.once("exit", code => resolve(code)));
	return {
		get output() {
			return output;
		},
		pid: child.pid ?? 0,
		async prints(text, timeoutMs = 30_000) {
			await until(
				`${args.join(" ")} to print ${text}`,
				() => (typeof text === "string" ? output.includes(text) : text.test(output)),
				timeoutMs,
			).catch(error => {
				throw new Error(`${error.message}; it printed:\n${output.slice(-2_000)}`);
			});
		},
		kill: signal => void child.kill(signal),
		exited,
		write: text => {
			child.stdin?.write(text);
			child.stdin?.end();
		},
	};
}
