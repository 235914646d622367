import type { Client, Db, Document } from "./servers.ts";

/** One behaviour, proven on an empty database. */
export interface Case {
	name: string;
	/** Only where the database says how it reads, which a real one may say in other words. */
	embeddedOnly?: boolean;
	run(db: Db, client: Client): Promise<void>;
}

export const codeOf = async (work: Promise<unknown>): Promise<number | undefined> =>
	work.then(
		() => undefined,
		(error: { code?: number }) => error.code,
	);

/** The stages of a plan, outermost first. */
export function stagesOf(plan: Document | undefined): string[] {
	if (!plan) return [];
	const inner = plan["inputStage"] ? [plan["inputStage"]] : ((plan["inputStages"] ?? []) as Document[]);
	return [String(plan["stage"]), ...inner.flatMap(stagesOf)];
}
export async function planOf(cursor: { explain(verbosity: "executionStats"): Promise<Document> }): Promise<{
	stages: string[];
	keys: number;
	docs: number;
	returned: number;
}> {
	const { queryPlanner, executionStats } = await cursor.explain("executionStats");
	return {
		stages: stagesOf(queryPlanner["winningPlan"]),
		keys: executionStats["totalKeysExamined"],
		docs: executionStats["totalDocsExamined"],
		returned: executionStats["nReturned"],
	};
}
