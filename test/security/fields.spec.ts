import { Client, type Json } from "../support/client.ts";
import type { TestNode } from "../support/node.ts";
import { exampleOf, type Operation, operationsOf } from "../support/operations.ts";
import { ADMIN, adminToken } from "../support/shop.ts";
import { countSteps, type StepCounter } from "../support/steps.ts";

/** What makes naive code look again and again: separators, brackets, accents, digits, what normalising makes longer. */
const FILLERS = [
	" ",
	"-",
	"a-",
	".",
	"@",
	"a@b.",
	",",
	"%",
	"(",
	"\\",
	"[",
	'{"a":',
	"e\u0301",
	"\ufdfa",
	"\u202e",
	"1",
	"\t\n",
];
const [SHORT, LONG] = [3_000, 15_000];
/** What the shop does besides: its sweeps run all the while. */
const BESIDES = 20_000;

/** Where a text may stand in a body: the body with this text there. */
function* places(body: Json, path: readonly string[] = []): Generator<(text: string) => Json> {
	for (const [name, value] of Object.entries<Json>(body ?? {})) {
		yield text => ({ ...body, [name]: Array.isArray(value) ? [text] : text });
		if (typeof value !== "object" || value === null || path.length > 2) continue;
		const [inner, wrap] = Array.isArray(value) ? [value[0], (one: Json) => [one]] : [value, (one: Json) => one];
		if (typeof inner !== "object" || inner === null) continue;
		for (const at of places(inner, [...path, name])) yield text => ({ ...body, [name]: wrap(at(text)) });
		yield text => ({ ...body, [name]: wrap({ ...inner, [text]: text }) });
	}
	if (path.length === 0) yield text => ({ ...body, [text]: "" });
}

describe("A field of 16 kB", () => {
	let node: TestNode;
	let client: Client;
	let token: string;
	let counter: StepCounter;
	let operations: Operation[];

	beforeAll(async () => {
		counter = await countSteps(/\/(?:lib|services|mixins|middlewares)\//);
		const { startTestNode } = await import("../support/node.ts");
		node = await startTestNode({ env: { STOA_ADMIN_EMAIL: ADMIN.email, STOA_ADMIN_PASSWORD: ADMIN.password } });
		client = new Client(node.broker.stoa.publicUrl);
		token = await adminToken(client);
		operations = operationsOf((await client.get("/openapi.json")).body).filter(({ body }) => body);
	}, 60_000);
	afterAll(async () => {
		counter?.stop();
		await node?.stop();
	}, 60_000);

	const work = async ({ method, path }: Operation, body: Json) => {
		const at = `/${path.replaceAll(/\{\w+\}/g, "nobody_here")}`;
		await counter.steps();
		const { status } = await client.request(method.toUpperCase(), at, { token, key: `field-${Math.random()}`, body });
		expect([method, path, status === 500]).toEqual([method, path, false]);
		return counter.steps();
	};

	it("costs steps in proportion to its length at most, in whatever field it stands", async () => {
		expect(operations.length).toBeGreaterThan(15);
		const slow: string[] = [];
		let looked = 0;
		for (const operation of operations) {
			for (const [n, place] of [...places(exampleOf(operation.body))].entries()) {
				looked++;
				// All fillers everywhere would take long: each place gets one, the next place the next one.
				const filler = FILLERS[looked % FILLERS.length] ?? " ";
				const text = (length: number) => `a${filler.repeat(Math.floor(length / filler.length))}b`;
				const short = await work(operation, place(text(SHORT)));
				const long = await work(operation, place(text(LONG)));
				// Work that grew with the square would be 25 times as much, and some 200 million steps.
				if (long > short * (LONG / SHORT) + BESIDES)
					slow.push(`${operation.method} ${operation.path} place ${n} ${JSON.stringify(filler)}: ${short}, ${long}`);
			}
		}
		expect(looked).toBeGreaterThan(80);
		expect(slow).toEqual([]);
	}, 300_000);
});
