import mongoose from "mongoose";
import { CHECKER } from "../../invariants/reader.ts";
import { SERVICES } from "../../node.ts";

/** What the profiler wrote of one operation. */
interface ProfileEntry {
	op: string;
	ns: string;
	planSummary?: string;
	hasSortStage?: boolean;
	docsExamined?: number;
	nreturned?: number;
	command?: Record<string, unknown>;
	ts: Date;
}

export interface Profiler {
	/** Operations since the start that scanned a collection or sorted in memory, as sentences. */
	offences(): string[];
	/** Operations since the start, by `<db>.<collection> <op>`. */
	counts(): ReadonlyMap<string, number>;
	/** Reads what was written since the last time: the profiler's own collection is bounded. */
	collect(): Promise<void>;
	stop(): Promise<void>;
}

const OF_THE_SERVER = /\.(system\.|\$cmd)/;

/** Switches every service's database to profile all operations, as `db.setProfilingLevel(2)` does. */
export async function startProfiler(mongodbUri: string): Promise<Profiler> {
	const client = await mongoose.mongo.MongoClient.connect(mongodbUri);
	const since = new Map<string, Date>();
	const offences = new Set<string>();
	const counts = new Map<string, number>();
	try {
		for (const service of SERVICES) await client.db(service).command({ profile: 2, slowms: 0 });
	} catch (error) {
		await client.close();
		throw error;
	}

	const collect = async () => {
		for (const service of SERVICES) {
			const entries = await client
				.db(service)
				.collection<ProfileEntry>("system.profile")
				.find({ ts: { $gt: since.get(service) ?? new Date(0) } })
				.toArray();
			for (const entry of entries) {
				if (entry.ts > (since.get(service) ?? new Date(0))) since.set(service, entry.ts);
				// The checker of the invariants reads everything, by design.
				if (OF_THE_SERVER.test(entry.ns) || entry.command?.["comment"] === CHECKER) continue;
				const name = `${entry.ns} ${entry.op}`;
				counts.set(name, (counts.get(name) ?? 0) + 1);
				const isScan = entry.planSummary?.startsWith("COLLSCAN") === true;
				if (isScan || entry.hasSortStage) {
					offences.add(
						`${name} ${isScan ? "scans" : "sorts in memory"}: ${JSON.stringify(entry.command).slice(0, 300)}`,
					);
				}
			}
		}
	};
	return {
		offences: () => [...offences],
		counts: () => counts,
		collect,
		async stop() {
			for (const service of SERVICES) await client.db(service).command({ profile: 0 });
			await client.close();
		},
	};
}
