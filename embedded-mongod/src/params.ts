import { badValue } from "./errors.ts";

export type ParamValue = string | number | boolean;

/** What `--setParameter` and the command `setParameter` know. */
export interface Params {
	/** Allows `configureFailPoint`. */
	enableTestCommands: boolean;
	/** A query that no index serves fails. */
	notablescan: boolean;
	ttlMonitorEnabled: boolean;
	/** Seconds between two sweeps of TTL indexes. */
	ttlMonitorSleepSecs: number;
	/** Own: bytes of log after which a checkpoint is written, unless twice the last checkpoint is more. */
	checkpointBytes: number;
	/** Own, a test aid: milliseconds between two pieces of a checkpoint. */
	checkpointDelayMs: number;
	/** Own: bytes of BSON whose objects are kept in memory, about twice this at most. */
	decodedCacheBytes: number;
	/** Own: entries kept in each database's system.profile. */
	profileEntries: number;
	/** Own, a test aid: the disk is full once this many bytes are written; 0 is never. */
	failDiskAfterBytes: number;
}

export const DEFAULTS: Params = {
	enableTestCommands: false,
	notablescan: false,
	ttlMonitorEnabled: true,
	ttlMonitorSleepSecs: 60,
	checkpointBytes: 16 * 1024 * 1024,
	checkpointDelayMs: 0,
	decodedCacheBytes: 8 * 1024 * 1024,
	profileEntries: 10_000,
	failDiskAfterBytes: 0,
};

export const isParam = (name: string): name is keyof Params => Object.hasOwn(DEFAULTS, name);

/** A value as it came from a command line or a command, in the parameter's own type. */
export function parseParam(name: keyof Params, value: unknown): ParamValue {
	const isText = typeof value === "string";
	const parsed = isText && value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
	if (typeof DEFAULTS[name] === "boolean") {
		if (parsed === true || parsed === 1 || parsed === "true") return true;
		if (parsed === false || parsed === 0 || parsed === "false") return false;
	} else if (typeof parsed === "number" && parsed >= 0) return parsed;
	throw badValue(`parameter ${name} cannot be ${JSON.stringify(value)}`);
}

/** @throws on a name it does not know, so that a typo does not pass for a setting */
export function parseParams(given: Record<string, unknown>): Params {
	const out: Params = { ...DEFAULTS };
	for (const [name, value] of Object.entries(given)) {
		if (!isParam(name)) throw badValue(`unknown parameter ${name}`);
		Object.assign(out, { [name]: parseParam(name, value) });
	}
	return out;
}
