import type { Mutant } from "./mutant.ts";

const CLAIMING = ["test/integration/claims.spec.ts"];
const WRITES = "test/integration/conditional-writes.spec.ts";
const CART_KEYS = ["test/integration/cart-keys.spec.ts"];
const KEYS = ["test/integration/idempotency.spec.ts"];
const CARTS = "services/carts/carts.repository.ts";
const CLAIMS = "services/carts/claims.repository.ts";
const COMMANDS = "mixins/commands.mixin.ts";
const IDEMPOTENCY = "lib/idempotency.ts";
const REPOSITORY = "services/orders/orders.repository.ts";
const PLACE = "services/orders/use-cases/place-order.ts";
const TOMBSTONE = "services/orders/use-cases/tombstone.ts";

/** Claims of carts, and keys. */
export const CLAIMS_AND_KEYS: readonly Mutant[] = [
	{
		name: "a command that a crash repeats adds its goods again",
		file: CARTS,
		find: '"applied.seed": { $ne: seed }, ',
		replace: "",
		specs: CART_KEYS,
	},
	{
		name: "a cart forgets what was applied",
		file: CARTS,
		find: '{ $subtract: ["$$NOW", KEY_MS] }',
		replace: '"$$NOW"',
		specs: CART_KEYS,
	},
	{
		name: "a cart remembers without end",
		file: CARTS,
		find: "$and: [{ $expr: HAS_ROOM }]",
		replace: "",
		specs: CART_KEYS,
	},
	{
		name: "a key that ended takes the cart again",
		file: CLAIMS,
		find: '...(isNew ? {} : { "attempts.keyHash": { $ne: keyHash } }),',
		replace: "",
		specs: [WRITES],
	},
	{
		name: "two checkouts hold one cart",
		file: CLAIMS,
		find: "\t\t\t\tcheckout: null,\n\t\t\t\t...(isNew",
		replace: "\t\t\t\t...(isNew",
		specs: [WRITES],
	},
	{
		name: "a claim forgets its key",
		file: CLAIMS,
		find: "keyHash: { $literal: keyHash },",
		replace: 'keyHash: "",',
		specs: CLAIMING,
	},
	{
		name: "an attempt frees the cart of another one",
		file: CLAIMS,
		find: '{ _id: id as never, status: "open", "checkout.orderId": orderId }, [\n\t\t\t{\n\t\t\t\t$set: {\n\t\t\t\t\tcheckout: null,',
		replace: '{ _id: id as never, status: "open" }, [\n\t\t\t{\n\t\t\t\t$set: {\n\t\t\t\t\tcheckout: null,',
		specs: [WRITES],
	},
	{
		name: "a bought cart stays open",
		file: CLAIMS,
		find: '{ $set: { status: "ordered", updatedAt',
		replace: "{ $set: { updatedAt",
		specs: [WRITES],
	},
	{
		name: "a cart that cannot be looked at is looked at without end",
		file: CLAIMS,
		find: '...(isLast ? { "checkout.lookAt": null, "checkout.parkedAt": "$$NOW" } : {}),',
		replace: "",
		specs: CLAIMING,
	},
	{
		name: "a held cart is looked at again at once",
		file: CLAIMS,
		find: '"checkout.lookAt": { $add: ["$$NOW", pause] }',
		replace: '"checkout.lookAt": "$checkout.lookAt"',
		specs: CLAIMING,
	},
	{
		name: "the key of an attempt answers another request",
		file: PLACE,
		find: "if (known.requestHash !== input.requestHash) throw keyReused();",
		replace: "",
		specs: CLAIMING,
	},
	{
		name: "a refused attempt forgets its request",
		file: TOMBSTONE,
		find: 'requestHash: kept?.requestHash ?? "",',
		replace: 'requestHash: "",',
		specs: CLAIMING,
	},
	{
		name: "a refused attempt forgets its key",
		file: TOMBSTONE,
		find: "liveKey: kept?.keyHash ?? null,",
		replace: "liveKey: null,",
		specs: CLAIMING,
	},
	{
		name: "a tombstone is an order",
		file: TOMBSTONE,
		find: "isTombstone: true,",
		replace: "isTombstone: false,",
		specs: CLAIMING,
	},
	{
		name: "a cart is freed although the attempt became an order",
		file: PLACE,
		find: "if (written.taken) return meet(deps, claim, written, input);\n\tawait deps.carts.free",
		replace: "await deps.carts.free",
		specs: CLAIMING,
	},
	{
		name: "a repeat that cannot ask for prices ends the first request's claim",
		file: PLACE,
		find: 'if (claim.holder !== "own") throw error;',
		replace: "",
		specs: CLAIMING,
	},
	{
		name: "another key ends a fresh claim",
		file: PLACE,
		find: "await fateOf(deps, holder, claim.isStale);",
		replace: "await fateOf(deps, holder, true);",
		specs: CLAIMING,
	},
	{
		name: "an abandoned claim is only asked about",
		file: "services/orders/use-cases/fate.ts",
		find: "const known = found ?? (await end(deps, orderId, cartId));",
		replace: "const known = found;",
		specs: CLAIMING,
	},
	{
		name: "a key is kept for ever",
		file: REPOSITORY,
		find: "await this.#orders.updateOne(isOver,",
		replace: "if (isOver === undefined) await this.#orders.updateOne(isOver,",
		specs: CLAIMING,
	},
	{
		name: "the price of an order is not what was agreed to",
		file: "services/orders/use-cases/draft.ts",
		find: "if (!isEqual(totals.total, input.expectedTotal)) return",
		replace: "if (totals.total.amount < 0) return",
		specs: CLAIMING,
	},
	{
		name: "a key answers another request",
		file: COMMANDS,
		find: "if (record.requestHash !== hash) throw keyReused();",
		replace: "",
		specs: KEYS,
	},
	{
		name: "a command is taken over while it runs",
		file: COMMANDS,
		find: "{ $and: [{ $not: [IS_LEASED] }, isSame] }",
		replace: "isSame",
		specs: KEYS,
	},
	{
		name: "another request takes a key's lease",
		file: COMMANDS,
		find: "{ $and: [{ $not: [IS_LEASED] }, isSame] }",
		replace: "{ $not: [IS_LEASED] }",
		specs: KEYS,
	},
	{
		name: "a worker that hung overwrites its successor's outcome",
		file: COMMANDS,
		find: "model.updateOne({ _id, epoch, outcome: null }, { $set: { outcome } });",
		replace: "model.updateOne({ _id }, { $set: { outcome } });",
		specs: KEYS,
	},
	{
		name: "a worker that hung writes while its successor runs",
		file: COMMANDS,
		find: "model.updateOne({ _id, epoch, outcome: null }, { $set",
		replace: "model.updateOne({ _id, outcome: null }, { $set",
		specs: KEYS,
	},
	{
		name: "a worker that hung gives its successor's claim back",
		file: COMMANDS,
		find: "const own = { _id, epoch, outcome: null };",
		replace: "const own = { _id, outcome: null };",
		specs: KEYS,
	},
	{
		name: "a running command does not keep its claim",
		file: COMMANDS,
		find: "[{ $set: { leaseUntil: LEASE } }])",
		replace: '[{ $set: { leaseUntil: "$leaseUntil" } }])',
		specs: KEYS,
	},
	{
		name: "a guest's key opens a stranger's cart",
		file: COMMANDS,
		find: "networkOf(clientAddress)",
		replace: '""',
		specs: KEYS,
	},
	{
		name: "a refusal of another node is not kept",
		file: IDEMPOTENCY,
		find: "const refused = asDomainError(error);\n\tif (!refused || !FINAL_REFUSALS",
		replace:
			'const refused = (error as Error).name === "DomainError" ? asDomainError(error) : undefined;\n\tif (!refused || !FINAL_REFUSALS',
		specs: KEYS,
	},
	{
		name: "a refusal that says 'not now' is kept",
		file: IDEMPOTENCY,
		find: "if (refused.data.retryAfterSeconds !== undefined) return undefined;",
		replace: "",
		specs: CART_KEYS,
	},
	{
		name: "a kept refusal is told with another request's id",
		file: IDEMPOTENCY,
		find: "requestId === undefined ? data : { ...data, requestId }",
		replace: "data",
		specs: KEYS,
	},
];
