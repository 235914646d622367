import { createRequire } from "node:module";
import type { AppBroker } from "../lib/typed.ts";

/** What is used of commander's program, as moleculer-repl fills it. */
interface Program {
	commands: { name(): string; aliases(): string[] }[];
	exitOverride(): Program;
	allowUnknownOption(allow: boolean): Program;
	parseAsync(argv: string[]): Promise<unknown>;
}

/** moleculer-repl has no door for a single command: its commands are taken, with the parsers that it uses itself. */
const fromRepl = createRequire(createRequire(import.meta.url).resolve("moleculer-repl"));

/**
 * A line for one of Moleculer's own commands, ready to run; undefined when it is for none. It gives false when the command
 * told of an error, which these commands only print.
 */
export function moleculerCommand(broker: AppBroker, line: string): (() => Promise<boolean>) | undefined {
	const { Command } = fromRepl("commander") as { Command: new () => Program };
	const { parseArgsStringToArgv } = fromRepl("string-argv") as {
		parseArgsStringToArgv(line: string, ...before: string[]): string[];
	};
	const program = new Command().exitOverride().allowUnknownOption(true);
	(fromRepl("./src/commands") as (program: Program, broker: AppBroker) => void)(program, broker);
	const argv = parseArgsStringToArgv(line, "node", "console");
	const name = argv[2] ?? "";
	if (!program.commands.some(command => command.name() === name || command.aliases().includes(name))) return undefined;
	return async () => {
		const print = console.error;
		let isRight = true;
		console.error = (...parts: unknown[]) => {
			isRight = false;
			print(...parts);
		};
		try {
			await program.parseAsync(argv);
		} catch (error) {
			// It was printed, as help is, which is no error.
			isRight = (error as { exitCode?: number }).exitCode === 0;
		} finally {
			console.error = print;
		}
		return isRight;
	};
}
