import { Readable } from "node:stream";
import { loadConfig } from "../../lib/config.ts";
import { startNode } from "../../node.ts";

/** A node in a process of its own that imports the file it is sent and tells how far it is, until it is killed. */
const MANAGER = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };

const { broker } = await startNode(loadConfig(process.env));
process.on("message", async ({ file, stock }: { file: string; stock: number }) => {
	const { jobId } = await broker.call(
		"products.import",
		{ stock },
		{ ...MANAGER, stream: Readable.from([Buffer.from(file)]) },
	);
	process.send?.({ jobId });
	for (;;) {
		const { processed } = await broker.call("products.importJob", { id: jobId }, MANAGER);
		process.send?.({ processed });
		await new Promise(resolve => setTimeout(resolve, 5));
	}
});
process.send?.({});
