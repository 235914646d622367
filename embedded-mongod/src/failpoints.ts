// `configureFailPoint: "failCommand"`, as MongoDB has it, for tests of what a client does when a command fails.
import { setTimeout as delay } from "node:timers/promises";
import { failedToParse, MongoError } from "./errors.ts";
import { type Doc, toNumber } from "./values.ts";

interface FailPoint {
	data: Doc;
	/** How often it still fires; -1 is always. */
	left: number;
	skip: number;
	fired: number;
}
/** What is to happen to the command after the fail point has had its say. */
export type Outcome = "run" | "close" | "runThenClose";

export class FailPoints {
	#point: FailPoint | undefined;

	/** @returns how often the one before fired */
	configure(name: unknown, mode: unknown, data: Doc = {}): number {
		if (name !== "failCommand") throw failedToParse(`embedded-mongod has no fail point '${name}', only failCommand`);
		const fired = this.#point?.fired ?? 0;
		const { times, skip } = (typeof mode === "object" ? mode : {}) as { times?: number; skip?: number };
		this.#point =
			mode === "off"
				? undefined
				: {
						data,
						left: times === undefined ? -1 : toNumber(times),
						skip: skip === undefined ? 0 : toNumber(skip),
						fired: 0,
					};
		return fired;
	}

	/** @throws what the fail point is set to */
	async apply(command: string, namespace: string, appName: string | undefined): Promise<Outcome> {
		const point = this.#point;
		if (!point || !this.#concerns(point, command, namespace, appName)) return "run";
		if (point.skip > 0) {
			point.skip--;
			return "run";
		}
		if (point.left === 0) return "run";
		if (point.left > 0) point.left--;
		point.fired++;
		const { data } = point;
		if (data["blockConnection"]) await delay(toNumber(data["blockTimeMS"] ?? 0));
		if (data["closeConnection"]) return "close";
		if (data["errorCode"] !== undefined) throw failure(data);
		return data["after"] === "closeConnection" ? "runThenClose" : "run";
	}

	#concerns({ data }: FailPoint, command: string, namespace: string, appName: string | undefined): boolean {
		const commands = data["failCommands"];
		if (command === "configureFailPoint" || !Array.isArray(commands) || !commands.includes(command)) return false;
		if (data["namespace"] !== undefined && data["namespace"] !== namespace) return false;
		return data["appName"] === undefined || data["appName"] === appName;
	}
}

function failure(data: Doc): MongoError {
	const code = toNumber(data["errorCode"]);
	const error = new MongoError(
		code,
		String(data["errorCodeName"] ?? `Error${code}`),
		"Failing command via 'failCommand' failpoint",
	);
	if (Array.isArray(data["errorLabels"])) error.labels = data["errorLabels"].map(String);
	return error;
}
