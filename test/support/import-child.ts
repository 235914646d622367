import { Readable } from "node:stream";
import { loadConfig } from "../../lib/config.ts";
import { startNode } from "../../node.ts";

/** A node in a process of its own that imports the file it is sent, and kills itself when so many rows are done. */
const MANAGER = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };

const { broker } = await startNode(loadConfig(process.env));
process.on("message", async ({ file, stock, dieAt }: { file: string; stock: number; dieAt: number }) => {
	const { jobId } = await broker.call(
		"products.import",
		{ stock },
		{ ...MANAGER, stream: Readable.from([Buffer.from(file)]) },
	);
	process.send?.({ jobId });
	for (;;) {
		const { processed } = await broker.call("products.importJob", { id: jobId }, MANAGER);
		if (processed >= dieAt) process.kill(process.pid, "SIGKILL");
	}
});
process.send?.({});
