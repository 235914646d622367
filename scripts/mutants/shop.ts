import type { Mutant } from "./mutant.ts";

const INVENTORY = ["test/integration/inventory.spec.ts", "test/integration/give-back.spec.ts"];
const WRITES = "test/integration/conditional-writes.spec.ts";
const CARTS = "services/carts/carts.repository.ts";
const STOCK = "services/inventory/stock.repository.ts";

/** Carts, goods, keys, events and imports. */
export const SHOP: readonly Mutant[] = [
	{
		name: "a line outgrows its limit",
		file: CARTS,
		find: "{ $lte: [{ $add: [already, line.quantity] }, MAX_QUANTITY] }",
		replace: "{ $lte: [line.quantity, MAX_QUANTITY] }",
		specs: [WRITES],
	},
	{
		name: "more is held than there is",
		file: STOCK,
		find: "available: { $gte: quantity },",
		replace: "",
		specs: INVENTORY,
	},
	{
		name: "a hold comes after its release",
		file: STOCK,
		find: '"ended.ref": { $ne: hold.ref },',
		replace: "",
		specs: INVENTORY,
	},
	{
		name: "another quantity is sold than was held",
		file: "services/inventory/stock.updates.ts",
		find: "(ref: string, quantity: number) => ({ reservations: { $elemMatch: { ref, quantity } } });",
		replace: "(ref: string, _quantity: number) => ({ reservations: { $elemMatch: { ref } } });",
		specs: [WRITES, ...INVENTORY],
	},
	{
		name: "goods come back twice",
		file: "services/inventory/stock.updates.ts",
		find: "ended: { $not: { $elemMatch: { ref, step: { $in: steps } } } },",
		replace: "",
		specs: INVENTORY,
	},
	{
		name: "a hold that has ended is sold although its order was undone",
		file: "services/inventory/stock.updates.ts",
		find: '{ ended: { $elemMatch: { ref, step: "expired" } } }, without(ref, "released", "returned", "committed")',
		replace: '{ ended: { $elemMatch: { ref, step: "expired" } } }',
		specs: INVENTORY,
	},
	{
		name: "what was never held may be held after it was given back",
		file: "services/inventory/give-back.ts",
		find: "? [] : [fencing(look, cause.reference, at)]",
		replace: "? [] : []",
		specs: INVENTORY,
	},
	{
		name: "what stock documents forgot does not come back",
		file: "services/inventory/give-back.ts",
		find: "return bookOf(look, [...look.journal, ...here]);",
		replace: "return bookOf(look, look.journal.concat(here.slice(here.length)));",
		specs: INVENTORY,
	},
	{
		name: "a correction takes the shelf below zero",
		file: STOCK,
		find: "available: { $gte: -delta }, ",
		replace: "",
		specs: INVENTORY,
	},
	{
		name: "a receipt counts twice",
		file: STOCK,
		find: 'filter: { _id: stockId(sku, location), "ended.ref": { $ne: cause.reference } },',
		replace: "filter: { _id: stockId(sku, location) },",
		specs: INVENTORY,
	},
	{
		name: "a hold that ended early gives its goods back twice",
		file: STOCK,
		find: "filter: { sku, reservations: { $elemMatch: { ref, call, quantity } } },",
		replace: "filter: { sku },",
		specs: INVENTORY,
	},
	{
		name: "the relay clears events that came meanwhile",
		file: "mixins/relay.ts",
		find: 'cond: { $not: [{ $in: ["$$this.id", ids] }] }',
		replace: "cond: { $not: [true] }",
		specs: ["test/contract/relays.spec.ts"],
	},
	{
		name: "a relay that failed undoes what another published",
		file: "mixins/stored-events.ts",
		find: "filter: { _id, nextAt }, update",
		replace: "filter: { _id }, update",
		specs: ["test/contract/relays.spec.ts"],
	},
	{
		name: "a consumer that was late writes over its successor",
		file: "mixins/inbox.ts",
		find: "updateOne({ _id, claim }, update",
		replace: "updateOne({ _id }, update",
		specs: ["test/contract/retries.spec.ts"],
	},
	{
		name: "an event at work is taken by a second node",
		file: "mixins/inbox.ts",
		find: 'const isTaken = { $gt: ["$until", "$$NOW"] };',
		replace: 'const isTaken = { $gt: ["$until", "$until"] };',
		specs: ["test/contract/retries.spec.ts"],
	},
	{
		name: "an import's chunks go when a worker that lost the job ends it",
		file: "services/products/import/import.repository.ts",
		find: "if (modifiedCount === 1) await this.discard(id);",
		replace: "await this.discard(id);",
		specs: ["test/integration/import.spec.ts"],
	},
	{
		name: "a second row of a file writes over the first one",
		file: "services/products/import/row-writer.ts",
		find: "if (last?.jobId !== jobId) return updated",
		replace: "if (last?.row !== item.number) return updated",
		specs: ["test/integration/import.spec.ts"],
	},
	{
		name: "a mover of an older tree moves products back",
		file: "services/products/products.repository.ts",
		find: ", pathVersion: { $not: { $gt: tree } } },",
		replace: " },",
		specs: ["test/integration/products.spec.ts"],
	},
	{
		name: "an import's batch counts for a worker that lost the job",
		file: "services/products/import/import.repository.ts",
		find: 'owner, status: "running", chunk: job.chunk, line: job.line },',
		replace: 'status: "running" },',
		specs: ["test/integration/import.spec.ts"],
	},
	{
		name: "a delivery that lost its lease writes all the same",
		file: "services/notifications/deliveries.repository.ts",
		find: 'updateOne({ _id: id, epoch, status: "sending" }, changes, {',
		replace: "updateOne({ _id: id }, changes, {",
		specs: ["test/integration/notifications.spec.ts"],
	},
	{
		name: "amounts of two currencies are equal",
		file: "lib/money.ts",
		find: "a.currency === b.currency",
		replace: "true",
		specs: ["test/unit/money.spec.ts"],
	},
];
