import { errorType } from "../../lib/errors.ts";
import { replay } from "../../services/inventory/domain/ledger.ts";
import { isBalanced } from "../../services/inventory/domain/stock.ts";
import type { InventoryVars } from "../../services/inventory/inventory.types.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { until } from "../support/until.ts";

const MANAGER = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const STORIES = 25;
const RECEIVED = 9;

let node: TestNode;
let inventory: InventoryVars;
let next = 0;

beforeAll(async () => {
	// No hold ends by itself here: the stories say when one does.
	node = await startTestNode({ services: ["inventory"], env: { RESERVATION_TTL_MS: "900000" } });
	inventory = node.broker.getLocalService("inventory") as unknown as InventoryVars;
}, 60_000);
afterAll(() => node?.stop(), 60_000);

const call: TestNode["broker"]["call"] = (...args) => node.broker.call(...args);
const typeOf = (promise: Promise<unknown>) =>
	promise.then(
		() => "done",
		error => errorType(error) ?? String(error),
	);

/** A small generator, so that a story that failed can be told again by its seed. */
function generator(seed: number): (below: number) => number {
	let state = seed;
	return below => {
		state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
		return Math.floor((state / 0x80000000) * below);
	};
}

async function stocked(): Promise<string> {
	const sku = `GIVE-${++next}`;
	await call("inventory.receive", { sku, quantity: RECEIVED - 4, reason: "opening" }, MANAGER);
	await call("inventory.receive", { sku, location: "north", quantity: 4, reason: "opening" }, MANAGER);
	return sku;
}

/** What the expiry worker does when the time of these holds is up. */
async function expire(sku: string): Promise<void> {
	const now = node.broker.stoa.clock.now();
	for (const stock of await inventory.models.stock.find({ sku }).lean()) {
		for (const hold of stock.reservations) await inventory.stock.expire(stock, hold, now);
	}
	inventory.journalWorker.hint([sku]);
}

/** Fifteen minutes later, or five hundred ends: what is in the ledger is forgotten by the stock documents. */
async function forget(sku: string): Promise<void> {
	inventory.journalWorker.hint([sku]);
	await until("an empty journal", async () => {
		await inventory.models.stock.updateMany({ sku, journal: { $size: 0 } }, { $set: { ended: [] } });
		return (await inventory.models.stock.countDocuments({ sku, "ended.0": { $exists: true } })) === 0;
	});
}

async function books(sku: string) {
	await until("the ledger of all changes", async () => {
		inventory.journalWorker.hint([sku]);
		return (await inventory.models.stock.countDocuments({ sku, "journal.0": { $exists: true } })) === 0;
	});
	const { totals } = await call("inventory.get", { sku }, MANAGER);
	const { onHand: _, ...counters } = totals;
	const written = await inventory.models.ledger.find({ sku }).lean();
	return { counters, replayed: replay(written) };
}

describe("Whatever happened to a reference before", () => {
	it("all its goods are back once they were given back, and the ledger tells the same", async () => {
		const random = generator(SEED);
		for (let story = 0; story < STORIES; story++) {
			const skus = [await stocked(), await stocked()];
			const references = [`ord_g${++next}`, `ord_g${++next}`];
			const told: string[] = [];
			const lines = (short = 0) => skus.map((sku, i) => ({ sku, quantity: 2 + i - short }));
			const step = (): Promise<unknown> => {
				const reference = references[random(references.length)] ?? "";
				const sku = skus[random(skus.length)] ?? "";
				const one = [{ sku, quantity: 1 + random(3) }];
				const steps: Record<string, () => Promise<unknown>> = {
					reserve: () => typeOf(call("inventory.reserve", { reference, lines: lines() })),
					commit: () => typeOf(call("inventory.commit", { reference, lines: lines() })),
					"commit one": () => typeOf(call("inventory.commit", { reference, lines: one })),
					"commit others": () => typeOf(call("inventory.commit", { reference, lines: lines(1) })),
					expire: () => expire(sku),
					forget: () => forget(sku),
					"give back": () => typeOf(call("inventory.giveBack", { reference, lines: lines() })),
					"give one back": () => typeOf(call("inventory.giveBack", { reference, lines: one })),
				};
				// The more usual steps come more often.
				const names = [...Object.keys(steps), "reserve", "reserve", "commit", "expire"];
				const name = names[random(names.length)] ?? "reserve";
				told.push(`${name} ${reference} ${sku}`);
				return steps[name]?.() ?? Promise.resolve();
			};
			for (let round = 0; round < 4; round++) {
				await Promise.all(Array.from({ length: 1 + random(3) }, step));
				told.push("then");
			}
			for (const reference of references) await call("inventory.giveBack", { reference, lines: lines() });
			for (const sku of skus) {
				const { counters, replayed } = await books(sku);
				const about = { seed: SEED, story, told, sku };
				expect({ ...about, isBalanced: isBalanced(counters), replayed }).toEqual({
					...about,
					isBalanced: true,
					replayed: counters,
				});
				expect({ ...about, ...counters }).toMatchObject({ available: RECEIVED, reserved: 0, received: RECEIVED });
				expect({ ...about, back: counters.returned }).toEqual({ ...about, back: counters.sold });
			}
			for (const reference of references) {
				expect(await typeOf(call("inventory.reserve", { reference, lines: lines() }))).toBe("CONFLICT");
				expect(await typeOf(call("inventory.commit", { reference, lines: lines() }))).toBe("CONFLICT");
			}
		}
	}, 300_000);

	it("what was sold comes back by the ledger when its stock document has forgotten it, once", async () => {
		const sku = await stocked();
		const sold = { reference: `ord_g${++next}`, lines: [{ sku, quantity: 3 }] };
		await call("inventory.reserve", sold);
		await call("inventory.commit", sold);
		await forget(sku);
		const answers = await Promise.all(Array.from({ length: 8 }, () => call("inventory.giveBack", sold)));
		expect(answers).toEqual(answers.map(() => ({ lines: [{ sku, released: 0, returned: 3 }] })));
		await forget(sku);
		expect(await call("inventory.giveBack", sold)).toEqual({ lines: [{ sku, released: 0, returned: 3 }] });
		const { counters, replayed } = await books(sku);
		expect(counters).toMatchObject({ available: RECEIVED, sold: 3, returned: 3 });
		expect(replayed).toEqual(counters);
	});

	it("a sale that looked before it was given back, and writes after it, sells nothing", async () => {
		const sku = await stocked();
		const late = { reference: `ord_g${++next}`, lines: [{ sku, quantity: 3 }] };
		await call("inventory.reserve", late);
		await expire(sku);
		const { stock } = inventory;
		const apply = stock.apply.bind(stock);
		stock.apply = async updates => {
			stock.apply = apply;
			await call("inventory.giveBack", late);
			return apply(updates);
		};
		expect(await typeOf(call("inventory.commit", late))).toBe("CONFLICT");
		const { counters } = await books(sku);
		expect(counters).toMatchObject({ available: RECEIVED, reserved: 0, sold: 0 });
	});

	it("a line that was never held does not stop the others, and is not held afterwards", async () => {
		const [sold, untouched] = [await stocked(), await stocked()];
		const reference = `ord_g${++next}`;
		const of = (...skus: string[]) => ({ reference, lines: skus.map(sku => ({ sku, quantity: 2 })) });
		await call("inventory.reserve", of(sold));
		await call("inventory.commit", of(sold));
		expect(await call("inventory.giveBack", of("NO-SUCH", untouched, sold))).toEqual({
			lines: [
				{ sku: "NO-SUCH", released: 0, returned: 0 },
				{ sku: untouched, released: 0, returned: 0 },
				{ sku: sold, released: 0, returned: 2 },
			],
		});
		expect(await typeOf(call("inventory.reserve", of(untouched)))).toBe("CONFLICT");
	});
});
