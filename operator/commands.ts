import { randomBytes } from "node:crypto";
import { checkInvariants } from "../invariants/index.ts";
import type { ParkedItem } from "../lib/attempts.ts";
import type { AppBroker } from "../lib/typed.ts";
import type { DeadLetter, WaitingEvent } from "../mixins/consumer.mixin.ts";

/** What operators can do on the console beside Moleculer's own commands. */

export interface OperatorDeps {
	broker: AppBroker;
	mongodbUri: string | undefined;
	print(text: string): void;
}

export interface OperatorCommand {
	/** Name and arguments, as the REPL takes them: `stock <sku>`. */
	usage: string;
	description: string;
	/** Gives false when what it looked at is not as it should be. */
	run(deps: OperatorDeps, args: readonly string[]): Promise<boolean>;
}

/** Who acts: whoever reaches the message bus is trusted with the cluster. */
const OPERATOR = { meta: { user: { id: "console", sessionId: "console", roles: ["admin" as const] } } };

/** Dead letters live in every service that consumes events; their actions are the mixin's, not a contract's. */
const callMixin = <T>(broker: AppBroker, action: string, params: object): Promise<T> =>
	(broker as unknown as { call(name: string, params: object): Promise<T> }).call(action, params);

/** The services of the cluster whose mixins bring this action, by name. */
function servicesWith(broker: AppBroker, action: string): string[] {
	const listed = broker.registry.getActionList({ onlyAvailable: true }) as { name: string }[];
	return listed.flatMap(({ name }) => (name.endsWith(`.${action}`) ? [name.slice(0, -action.length - 1)] : [])).sort();
}

export const OPERATOR_COMMANDS: readonly OperatorCommand[] = [
	{
		usage: "invariants",
		description: "Check that stock and money are right and that everything begun has ended",
		async run({ mongodbUri, print }) {
			if (!mongodbUri)
				throw new Error("The database is not known: set MONGODB_URI, or DATA_DIR of the running cluster");
			const { ok, checked, violations, found } = await checkInvariants(mongodbUri);
			print(
				`Checked ${checked.skus} SKUs, ${checked.orders} orders, ${checked.payments} payments, ${checked.charges} charges`,
			);
			for (const { invariant, subject, message } of violations) print(`  ${invariant} ${subject} ${message}`);
			print(
				ok
					? "All invariants hold"
					: `${found} violations; on a shop at work they may be what is under way: check again, and see what stays`,
			);
			return ok;
		},
	},
	{
		usage: "stock <sku>",
		description: "The stock of a SKU at every location",
		async run({ broker, print }, [sku = ""]) {
			const { locations, totals } = await broker.call("inventory.get", { sku }, OPERATOR);
			const rows = [...locations, { location: "all", ...totals }];
			for (const row of rows) {
				print(
					`${row.location.padEnd(12)} available ${row.available}  reserved ${row.reserved}  sold ${row.sold}  received ${row.received}  returned ${row.returned}  adjusted ${row.adjusted}`,
				);
			}
			return true;
		},
	},
	{
		usage: "order <id>",
		description: "An order with its history",
		async run({ broker, print }, [id = ""]) {
			const order = await broker.call("orders.adminGet", { id }, OPERATOR);
			print(`${order.number} ${order.status}, payment ${order.payment.status}`);
			for (const line of order.lines) print(`  ${line.quantity} × ${line.sku} ${line.title}`);
			for (const { at, from, to, actor, cause } of order.history)
				print(`  ${at} ${from ?? "–"} → ${to} by ${actor}: ${cause}`);
			return true;
		},
	},
	{
		usage: "create-admin <email> [password]",
		description: "Make the first admin; without a password one is made and shown once",
		async run({ broker, print }, [email = "", given]) {
			const password = given ?? randomBytes(18).toString("base64url");
			const { created } = await broker.call("auth.createAdmin", { email, password });
			if (!created) print("There is an admin already: nothing was changed");
			else print(given ? `${email} is an admin now` : `${email} is an admin now, with the password ${password}`);
			return created;
		},
	},
	{
		usage: "parked [service]",
		description: "Work that was given up after too many tries, of one service or of all",
		async run({ broker, print }, [only]) {
			const services = only ? [only] : servicesWith(broker, "parked");
			let count = 0;
			for (const service of services) {
				const items = await callMixin<(ParkedItem & { kind: string })[]>(broker, `${service}.parked`, { limit: 100 });
				for (const { kind, id, about, attempts, parkedAt, error } of items)
					print(`${service} ${kind} ${id} ${about}, ${attempts} attempts until ${String(parkedAt)}: ${error}`);
				count += items.length;
			}
			print(count === 0 ? "Nothing is parked" : `${count} parked; \`resume <service> <kind> <id>\` tries again`);
			return count === 0;
		},
	},
	{
		usage: "resume <service> <kind> <id>",
		description: "Try parked work again",
		async run({ broker, print }, [service = "", kind = "", id = ""]) {
			const { resumed } = await callMixin<{ resumed: boolean }>(broker, `${service}.resume`, { kind, id });
			print(resumed ? "It is tried again" : `Nothing of ${id} is parked there`);
			return resumed;
		},
	},
	{
		usage: "dead-letters <service>",
		description: "Events that a service gave up on",
		async run({ broker, print }, [service = ""]) {
			const letters = await callMixin<DeadLetter[]>(broker, `${service}.deadLetters`, { limit: 100 });
			for (const { _id, event, attempts, error, at } of letters)
				print(`${_id} ${event.name} of ${event.aggregateId}, ${attempts} attempts until ${String(at)}: ${error}`);
			print(`${letters.length} dead letters`);
			return letters.length === 0;
		},
	},
	{
		usage: "retries <service>",
		description: "Events that a service will try again by itself",
		async run({ broker, print }, [service = ""]) {
			const waiting = await callMixin<WaitingEvent[]>(broker, `${service}.retries`, { limit: 100 });
			for (const { _id, event, attempts, notYets, error, nextAt } of waiting) {
				const tries = `${attempts} attempts, put off ${notYets} times`;
				print(`${_id} ${event.name} of ${event.aggregateId}, ${tries}, again at ${String(nextAt)}: ${error}`);
			}
			print(`${waiting.length} events wait`);
			return true;
		},
	},
	{
		usage: "replay-dead-letter <service> <id>",
		description: "Hand an event to its consumer again",
		async run({ broker, print }, [service = "", id = ""]) {
			const { replayed } = await callMixin<{ replayed: boolean }>(broker, `${service}.replayDeadLetter`, { id });
			print(replayed ? "Done" : "There is no such dead letter");
			return replayed;
		},
	},
];

export function findCommand(name: string): OperatorCommand {
	const found = OPERATOR_COMMANDS.find(({ usage }) => usage.split(" ")[0] === name);
	if (!found)
		throw new Error(
			`No command is called ${name}; there are ${OPERATOR_COMMANDS.map(({ usage }) => usage).join(", ")}`,
		);
	return found;
}
