import { startTestNode } from "../support/node.ts";
import { tellTheStory } from "./story.ts";

tellTheStory("in one process on embedded engines", async env => {
	const node = await startTestNode({ env });
	return { urls: [node.broker.stoa.publicUrl], mongodbUri: node.mongodbUri, stop: node.stop };
});
