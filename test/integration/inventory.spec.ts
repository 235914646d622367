import { errorType } from "../../lib/errors.ts";
import { replay } from "../../services/inventory/domain/ledger.ts";
import { isBalanced } from "../../services/inventory/domain/stock.ts";
import type { LedgerEntry, StockView } from "../../services/inventory/inventory.contract.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { until } from "../support/until.ts";

const MANAGER = { meta: { user: { id: "usr_manager", sessionId: "ses_1", roles: ["manager" as const] } } };

let node: TestNode;
let next = 0;

beforeAll(async () => {
	// No hold ends by itself while a test runs, however slow the machine is.
	node = await startTestNode({ services: ["inventory"], env: { RESERVATION_TTL_MS: "900000" } });
}, 60_000);
afterAll(() => node?.stop(), 60_000);

const call: TestNode["broker"]["call"] = (...args) => node.broker.call(...args);
const get = (sku: string): Promise<StockView> => call("inventory.get", { sku }, MANAGER);

async function stocked(quantity: number, location?: string): Promise<string> {
	const sku = `SKU-${++next}`;
	await call("inventory.receive", { sku, quantity, reason: "opening", ...(location ? { location } : {}) }, MANAGER);
	return sku;
}

const order = () => `ord_${++next}`;
const typeOf = (promise: Promise<unknown>) =>
	promise.then(
		() => "done",
		error => errorType(error) ?? String(error),
	);

async function ledgerOf(sku: string, count: number): Promise<LedgerEntry[]> {
	const items = await until(`${count} ledger entries of ${sku}`, async () => {
		const page = await call("inventory.ledger", { sku, limit: 100 }, MANAGER);
		return page.items.length >= count && page.items;
	});
	expect(items).toHaveLength(count);
	return items;
}

describe("Holding stock", () => {
	it("gives 20 units to 20 of 200 buyers who want one at once, and the ledger tells the same", async () => {
		const sku = await stocked(20);
		const buyers = Array.from({ length: 200 }, order);
		const answers = await Promise.all(
			buyers.map(reference => typeOf(call("inventory.reserve", { reference, lines: [{ sku, quantity: 1 }] }))),
		);
		expect(answers.filter(answer => answer === "done")).toHaveLength(20);
		expect(answers.filter(answer => answer === "STOCK_INSUFFICIENT")).toHaveLength(180);
		const winners = buyers.filter((_, i) => answers[i] === "done");
		await Promise.all(
			winners.slice(0, 12).map(reference => call("inventory.commit", { reference, lines: [{ sku, quantity: 1 }] })),
		);
		await Promise.all(
			winners.slice(12).map(reference => call("inventory.giveBack", { reference, lines: [{ sku, quantity: 1 }] })),
		);
		const { totals } = await get(sku);
		expect(totals).toEqual({
			onHand: 8,
			available: 8,
			reserved: 0,
			sold: 12,
			received: 20,
			returned: 0,
			adjusted: 0,
		});
		const { onHand: _, ...counters } = totals;
		expect(replay(await ledgerOf(sku, 41))).toEqual(counters);
	});

	it("holds all lines or none, and names the SKU that is short", async () => {
		const [plenty, short] = [await stocked(10), await stocked(1)];
		const lines = [
			{ sku: plenty, quantity: 2 },
			{ sku: short, quantity: 2 },
		];
		const refused = call("inventory.reserve", { reference: order(), lines });
		await expect(refused).rejects.toMatchObject({
			type: "STOCK_INSUFFICIENT",
			code: 409,
			data: { errors: [{ field: short, code: "STOCK_INSUFFICIENT" }] },
		});
		expect((await get(plenty)).totals).toMatchObject({ available: 10, reserved: 0 });
		expect((await get(short)).totals).toMatchObject({ available: 1, reserved: 0 });
	});

	it("may try again with the same reference after it was refused, and the ledger still adds up", async () => {
		const [plenty, short] = [await stocked(10), await stocked(1)];
		const reference = order();
		const lines = [
			{ sku: plenty, quantity: 2 },
			{ sku: short, quantity: 2 },
		];
		expect(await typeOf(call("inventory.reserve", { reference, lines }))).toBe("STOCK_INSUFFICIENT");
		await call("inventory.receive", { sku: short, quantity: 5, reason: "delivery" }, MANAGER);
		expect(await typeOf(call("inventory.reserve", { reference, lines }))).toBe("done");
		const { onHand: _, ...counters } = (await get(plenty)).totals;
		expect(counters).toMatchObject({ available: 8, reserved: 2 });
		expect(replay(await ledgerOf(plenty, 4))).toEqual(counters);
	});

	it("refuses a SKU it never heard of as it refuses one that is sold out", async () => {
		const refused = call("inventory.reserve", { reference: order(), lines: [{ sku: "NO-SUCH", quantity: 1 }] });
		expect(await typeOf(refused)).toBe("STOCK_INSUFFICIENT");
	});

	it("changes nothing when a command comes again, at once or after its end", async () => {
		const sku = await stocked(5);
		const once = { reference: order(), lines: [{ sku, quantity: 2 }] };
		const [first, ...others] = await Promise.all(Array.from({ length: 8 }, () => call("inventory.reserve", once)));
		expect(others).toEqual(others.map(() => first));
		expect((await get(sku)).totals).toMatchObject({ available: 3, reserved: 2 });
		await Promise.all(Array.from({ length: 8 }, () => call("inventory.commit", once)));
		expect((await get(sku)).totals).toMatchObject({ available: 3, reserved: 0, sold: 2 });
		expect(await typeOf(call("inventory.reserve", once))).toBe("done");
		expect((await get(sku)).totals).toMatchObject({ available: 3, reserved: 0, sold: 2 });
		await Promise.all(Array.from({ length: 8 }, () => call("inventory.giveBack", once)));
		expect((await get(sku)).totals).toMatchObject({ available: 5, sold: 2, returned: 2 });
		expect(await call("inventory.giveBack", once)).toEqual({ lines: [{ sku, released: 0, returned: 2 }] });
		expect(await typeOf(call("inventory.commit", once))).toBe("CONFLICT");
		expect(await typeOf(call("inventory.reserve", once))).toBe("CONFLICT");
		const { onHand: _, ...counters } = (await get(sku)).totals;
		expect(isBalanced(counters)).toBe(true);
		expect(replay(await ledgerOf(sku, 4))).toEqual(counters);
	});

	it("refuses a hold that comes after its goods were given back, even if it never held anything", async () => {
		const sku = await stocked(5);
		const late = { reference: order(), lines: [{ sku, quantity: 2 }] };
		await call("inventory.giveBack", late);
		expect(await typeOf(call("inventory.reserve", late))).toBe("CONFLICT");
		expect(await typeOf(call("inventory.commit", late))).toBe("CONFLICT");
		expect((await get(sku)).totals).toMatchObject({ available: 5, reserved: 0 });
	});

	it("has everything back when a commit and what undoes it race", async () => {
		for (let round = 0; round < 10; round++) {
			const sku = await stocked(3);
			const held = { reference: order(), lines: [{ sku, quantity: 3 }] };
			await call("inventory.reserve", held);
			const [commit] = await Promise.all([
				typeOf(call("inventory.commit", held)),
				typeOf(call("inventory.giveBack", held)),
			]);
			const sold = commit === "done" ? 3 : 0;
			expect((await get(sku)).totals).toMatchObject({ available: 3, reserved: 0, sold, returned: sold });
		}
	});

	it("sells and gives back what was held, whatever quantity is asked for", async () => {
		const sku = await stocked(5);
		const reference = order();
		const asked = (quantity: number) => ({ reference, lines: [{ sku, quantity }] });
		await call("inventory.reserve", asked(3));
		expect(await typeOf(call("inventory.commit", asked(2)))).toBe("CONFLICT");
		expect((await get(sku)).totals).toMatchObject({ available: 2, reserved: 3, sold: 0 });
		await call("inventory.commit", asked(3));
		expect((await get(sku)).totals).toMatchObject({ available: 2, reserved: 0, sold: 3 });
		expect(await typeOf(call("inventory.commit", asked(1)))).toBe("CONFLICT");
		expect(await call("inventory.giveBack", asked(1))).toEqual({ lines: [{ sku, released: 0, returned: 3 }] });
		expect((await get(sku)).totals).toMatchObject({ available: 5, reserved: 0, sold: 3, returned: 3 });
	});

	it("takes a line from a location that has enough of it, once, however many calls race", async () => {
		const sku = await stocked(1);
		await call("inventory.receive", { sku, location: "north", quantity: 6, reason: "opening" }, MANAGER);
		const held = { reference: order(), lines: [{ sku, quantity: 3 }] };
		await Promise.all(Array.from({ length: 8 }, () => call("inventory.reserve", held)));
		const { locations, totals } = await get(sku);
		expect(totals).toMatchObject({ available: 4, reserved: 3 });
		expect(locations.find(({ location }) => location === "north")).toMatchObject({ available: 3, reserved: 3 });
		await call("inventory.commit", held);
		await call("inventory.giveBack", held);
		expect((await get(sku)).totals).toMatchObject({ available: 7, sold: 3, returned: 3 });
	});
});

describe("A hold whose time is short", () => {
	let patient: TestNode;

	beforeAll(async () => {
		patient = node;
		node = await startTestNode({ services: ["inventory"], env: { RESERVATION_TTL_MS: "1000" } });
	}, 60_000);
	afterAll(async () => {
		await node.stop();
		node = patient;
	}, 60_000);

	it("gives a hold back by itself when its time is up, and sells it all the same while the goods are there", async () => {
		const [sku, gone] = [await stocked(4), await stocked(4)];
		const lines = [
			{ sku, quantity: 3 },
			{ sku: gone, quantity: 3 },
		];
		const held = { reference: order(), lines };
		const before = node.broker.stoa.database.clockOf("inventory").nowMs();
		const { expiresAt } = await call("inventory.reserve", held);
		expect(Date.parse(expiresAt)).toBeGreaterThan(before);
		for (const ended of [sku, gone]) {
			await until("the end of the hold", async () => (await get(ended)).totals.available === 4);
		}
		expect(await typeOf(call("inventory.reserve", held))).toBe("CONFLICT");
		await call("inventory.adjust", { sku: gone, delta: -2, reason: "sold elsewhere" }, MANAGER);
		await expect(call("inventory.commit", held)).rejects.toMatchObject({
			type: "CONFLICT",
			data: { errors: [{ field: gone, code: "HOLD_ENDED" }] },
		});
		expect((await get(sku)).totals).toMatchObject({ available: 1, reserved: 0, sold: 3 });
		expect((await get(gone)).totals).toMatchObject({ available: 2, reserved: 0, sold: 0 });
		expect(await call("inventory.giveBack", held)).toEqual({
			lines: [
				{ sku, released: 3, returned: 3 },
				{ sku: gone, released: 3, returned: 0 },
			],
		});
		expect((await get(sku)).totals).toMatchObject({ available: 4, sold: 3, returned: 3 });
		expect((await get(gone)).totals).toMatchObject({ available: 2, reserved: 0, sold: 0, returned: 0 });
		expect(await typeOf(call("inventory.commit", held))).toBe("CONFLICT");
		const { onHand: _, ...counters } = (await get(sku)).totals;
		expect(replay(await ledgerOf(sku, 6))).toEqual(counters);
	});
});

describe("Receipts and corrections", () => {
	it("count once per reference, however often an import sends them", async () => {
		const skus = Array.from({ length: 30 }, () => `BULK-${++next}`);
		const items = skus.map(sku => ({ sku, quantity: 7, reference: `job_1:${sku}` }));
		await Promise.all([1, 2, 3].map(() => call("inventory.receiveMany", { items, reason: "import" })));
		expect(await call("inventory.receiveMany", { items, reason: "import" })).toEqual({
			received: 30,
			levels: expect.arrayContaining([{ sku: skus[0], level: "in_stock", sequence: 1 }]),
		});
		for (const sku of skus) expect((await get(sku)).totals).toMatchObject({ available: 7, received: 7 });
	});

	it("never take what is available below zero", async () => {
		const sku = await stocked(5);
		const adjust = (delta: number) => typeOf(call("inventory.adjust", { sku, delta, reason: "count" }, MANAGER));
		const answers = await Promise.all([-2, -2, -2, -2].map(adjust));
		expect(answers.sort()).toEqual(["CONFLICT", "CONFLICT", "done", "done"]);
		expect(await adjust(3)).toBe("done");
		expect((await get(sku)).totals).toMatchObject({ available: 4, adjusted: -1, received: 5 });
		const { onHand: _, ...counters } = (await get(sku)).totals;
		expect(replay(await ledgerOf(sku, 4))).toEqual(counters);
	});

	it("are for staff who may", async () => {
		const support = { meta: { user: { id: "usr_2", sessionId: "ses_2", roles: ["support" as const] } } };
		const sku = await stocked(1);
		expect(await typeOf(call("inventory.get", { sku }, support))).toBe("done");
		expect(await typeOf(call("inventory.receive", { sku, quantity: 1, reason: "x" }, support))).toBe("FORBIDDEN");
		expect(await typeOf(call("inventory.receive", { sku, quantity: 1, reason: "x" }))).toBe("UNAUTHENTICATED");
		expect(await typeOf(call("inventory.get", { sku: "NO-SUCH" }, support))).toBe("NOT_FOUND");
	});

	it("show in the ledger page by page, newest first, each entry once", async () => {
		const sku = await stocked(1);
		for (let i = 2; i <= 7; i++) await call("inventory.receive", { sku, quantity: i, reason: `no ${i}` }, MANAGER);
		await ledgerOf(sku, 7);
		const seen: number[] = [];
		let cursor: string | null = null;
		do {
			const page: Awaited<ReturnType<typeof readPage>> = await readPage(cursor);
			seen.push(...page.items.map(({ quantity }) => quantity));
			cursor = page.nextCursor;
		} while (cursor);
		expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1]);
		function readPage(from: string | null) {
			return call("inventory.ledger", { sku, limit: 3, ...(from ? { cursor: from } : {}) }, MANAGER);
		}
		expect(await typeOf(call("inventory.ledger", { sku, cursor: "bm90IG9uZQ" }, MANAGER))).toBe("VALIDATION_ERROR");
	});
});
