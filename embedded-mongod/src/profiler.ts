// `profile` and `system.profile`: what each operation cost, under MongoDB's field names.
import type { Costs } from "./select.ts";
import type { Doc } from "./values.ts";

/** One operation as it is written down. */
export interface Operation {
	op: string;
	namespace: string;
	command: Doc;
	costs?: Costs;
	/** Further counts, such as `nreturned` or `nModified`. */
	counts?: Doc;
	client?: string | undefined;
	appName?: string | undefined;
	error?: { code: number; codeName: string; message: string };
}
interface Level {
	was: number;
	slowms: number;
}
/** What a command's filter may hold before it is cut: the entry is for people, and memory is not for logs. */
const LONGEST_COMMAND = 50_000;

/** Keeps the last entries of each database in memory; MongoDB's own collection is capped as well. */
export class Profiler {
	readonly #limit: number;
	readonly #levels = new Map<string, Level>();
	readonly #entries = new Map<string, Doc[]>();

	constructor(limit: number) {
		this.#limit = limit;
	}

	level(db: string): Level {
		return this.#levels.get(db) ?? { was: 0, slowms: 100 };
	}
	set(db: string, level: number, slowms: number | undefined): void {
		this.#levels.set(db, { was: level, slowms: slowms ?? this.level(db).slowms });
	}
	entries(db: string): Doc[] {
		return this.#entries.get(db) ?? [];
	}
	drop(db: string): void {
		this.#entries.delete(db);
	}

	/** @param since when the operation began, by `performance.now()` */
	note(db: string, operation: Operation, since: number): void {
		const level = this.#levels.get(db);
		if (!level?.was || operation.namespace.endsWith(".system.profile")) return;
		const millis = performance.now() - since;
		if (level.was === 1 && millis < level.slowms) return;
		const list = this.#entries.get(db) ?? [];
		this.#entries.set(db, list);
		list.push(entryOf(operation, millis));
		// Cut in pieces: a shift per entry would move the whole list each time.
		if (list.length > this.#limit * 1.25) list.splice(0, list.length - this.#limit);
	}
}

function entryOf({ op, namespace, command, costs, counts, client, appName, error }: Operation, millis: number): Doc {
	const { keysExamined, docsExamined, planSummary, hasSortStage } = costs ?? {};
	return {
		op,
		ns: namespace,
		command: shorten(command),
		...(costs ? { keysExamined, docsExamined } : {}),
		...(hasSortStage ? { hasSortStage } : {}),
		...counts,
		...(error ? { errMsg: error.message, errName: error.codeName, errCode: error.code } : {}),
		...(planSummary ? { planSummary } : {}),
		millis: Math.round(millis),
		ts: new Date(),
		...(client ? { client } : {}),
		...(appName ? { appName } : {}),
	};
}

function shorten(command: Doc): Doc {
	const { lsid: _, $clusterTime: __, documents, ...rest } = command;
	const text = JSON.stringify(rest) ?? "";
	if (text.length <= LONGEST_COMMAND) return documents === undefined ? rest : { ...rest };
	return { $truncated: text.slice(0, LONGEST_COMMAND) };
}
