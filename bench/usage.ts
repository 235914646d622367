import { readFileSync } from "node:fs";
import mongoose from "mongoose";
import type { Cluster } from "../cluster/launcher.ts";

/** In /proc processor time is counted in hundredths of a second, whatever the machine. */
const TICK_MS = 10;

export interface Usage {
	/** Processor milliseconds by process. */
	processorMs: Record<string, number>;
	/** Commands that the database answered, by name. */
	commands: Record<string, number>;
}

/** What a cluster has used up so far, servers included. Processor time is known on Linux only. */
export async function usageOf(cluster: Cluster): Promise<Usage> {
	const processes = [...cluster.processes, ...cluster.servers];
	const client = await mongoose.mongo.MongoClient.connect(cluster.mongodbUri);
	try {
		const status = await client.db("admin").command({ serverStatus: 1 });
		const commands = Object.entries(status["metrics"].commands as Record<string, { total: number }>);
		return {
			processorMs: Object.fromEntries(processes.map(({ name, pid }) => [name, processorMs(pid)])),
			commands: Object.fromEntries(commands.map(([name, { total }]) => [name, total])),
		};
	} finally {
		await client.close();
	}
}

/** What was used between two looks, for each of so many pieces of work. */
export function usagePer(count: number, before: Usage, after: Usage) {
	const per = (was: Record<string, number>, is: Record<string, number>) =>
		Object.fromEntries(
			Object.entries(is)
				.map(([name, value]) => [name, round((value - (was[name] ?? 0)) / count)] as const)
				.filter(([, value]) => value > 0),
		);
	return {
		processorMs: per(before.processorMs, after.processorMs),
		commands: per(before.commands, after.commands),
	};
}

export const sum = (numbers: Record<string, number>): number =>
	round(Object.values(numbers).reduce((total, value) => total + value, 0));

const round = (value: number): number => Math.round(value * 100) / 100;

export function processorMs(pid: number): number {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
		// The second field is a name in brackets, which may hold blanks; what follows is numbers.
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
	} catch {
		return Number.NaN;
	}
}
