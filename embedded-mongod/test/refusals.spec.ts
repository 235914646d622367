import { dispatch } from "../src/dispatch.ts";
import { Engine } from "../src/engine.ts";
import { parseParams } from "../src/params.ts";
import type { Doc } from "../src/values.ts";

describe("What would change an answer and is not here", () => {
	it.each<[what: string, command: Doc]>([
		["fsync with a lock", { fsync: 1, lock: true }],
		["distinct under a collation", { distinct: "c", key: "a", collation: { locale: "en", strength: 2 } }],
		["find with min", { find: "c", min: { _id: 1 } }],
		["find with returnKey", { find: "c", returnKey: true }],
		["a tailable find", { find: "c", tailable: true }],
	])("%s is an error, never ignored", async (_, command) => {
		const engine = new Engine({ params: parseParams({}), onFatal: () => undefined });
		const answer = dispatch(engine, { id: 1 }, { ...command, $db: "d" });
		await expect(answer).rejects.toMatchObject({ code: 238, codeName: "NotImplemented" });
	});
});
