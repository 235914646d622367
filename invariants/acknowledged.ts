import { Reader } from "./reader.ts";
import type { Violation } from "./violation.ts";

/** What a client was told with a 2xx, and may rely on from then on. */
export interface Acknowledged {
	kind: keyof typeof PLACES;
	id: string;
	/** Fields of the answer that must be found again; what is not named does not matter. */
	expected?: object;
}

/** Where each kind is kept: service, collection, and the field that holds its id. */
const PLACES = {
	order: ["orders", "orders", "_id"],
	refund: ["orders", "orders", "refunds.id"],
	cart: ["carts", "carts", "_id"],
	product: ["products", "products", "_id"],
	payment: ["payments", "payments", "orderId"],
	account: ["auth", "accounts", "_id"],
	profile: ["users", "profiles", "_id"],
	receipt: ["inventory", "ledger", "reference"],
} as const;

/** I9: everything that was acknowledged is readable, as it was told or as its history went on from there. */
export function checkAcknowledged(mongodbUri: string, answers: readonly Acknowledged[]): Promise<Violation[]> {
	return Reader.on(mongodbUri, async reader => {
		const found: Violation[] = [];
		for (const { kind, id, expected = {} } of answers) {
			const [service, collection, field] = PLACES[kind];
			const [document] = await reader.all<Fields>(service, collection, { filter: { [field]: id } });
			const message = document ? difference(plain(kind, id, document), plain(kind, id, expected)) : "is nowhere";
			if (message) found.push({ invariant: "I9", subject: id, message: `the ${kind} was acknowledged: ${message}` });
		}
		return found;
	});
}

type Fields = Record<string, unknown>;

/** Both sides as JSON, so that dates compare; a refund out of its order. */
function plain(kind: Acknowledged["kind"], id: string, document: object): Fields {
	const { _id, ...fields } = JSON.parse(JSON.stringify(document)) as Fields;
	if (kind === "refund" && Array.isArray(fields["refunds"]))
		return { ...fields["refunds"].find(refund => refund.id === id), orderId: _id };
	return _id === undefined ? fields : { id: _id, ...fields };
}

/** How what is there differs from what was told; undefined when all of it is found again. */
function difference(there: Fields, told: Fields): string | undefined {
	for (const [name, value] of Object.entries(told)) {
		if (name === "status" && wasOnce(there, value)) continue;
		if (!contains(there[name], value)) return `${name} was ${show(value)}, it is ${show(there[name])}`;
	}
	return undefined;
}

/** A status may have gone on; its history keeps those before. */
const wasOnce = ({ history }: Fields, status: unknown): boolean =>
	Array.isArray(history) && history.some(move => move.to === status);

/** Of lists all told entries must be there, in whatever place; of objects all told fields. */
function contains(there: unknown, told: unknown): boolean {
	if (Array.isArray(told)) return Array.isArray(there) && told.every(one => there.some(other => contains(other, one)));
	if (typeof told !== "object" || told === null) return there === told;
	if (typeof there !== "object" || there === null) return false;
	return Object.entries(told).every(([name, value]) => contains((there as Fields)[name], value));
}

const show = (value: unknown): string => JSON.stringify(value) ?? "absent";
