import type { ActionSchema, BrokerOptions, Context, ServiceBroker } from "moleculer";
import type { AppMeta, TypedAction } from "../lib/typed.ts";

export type ActionContext = Context<Record<string, unknown>, AppMeta>;
export type Next = (ctx: ActionContext) => Promise<unknown>;

/** An action as the middlewares see it, with the keys the typed layer adds. */
export type ActionDefinition = Omit<ActionSchema, "rest"> & { name: string } & Pick<
		TypedAction<unknown, unknown, unknown>,
		"rest" | "permissions" | "cached" | "idempotency" | "isKeyRequired" | "keyScope" | "isIdempotent" | "openapi"
	>;

/** Moleculer 0.15's own type is wrong for wrapping hooks: this one says what they really take. */
export interface Middleware {
	name: string;
	created?(broker: ServiceBroker): void;
	starting?(broker: ServiceBroker): unknown;
	started?(broker: ServiceBroker): unknown;
	stopping?(broker: ServiceBroker): unknown;
	stopped?(broker: ServiceBroker): unknown;
	localAction?(this: ServiceBroker, next: Next, action: ActionDefinition): Next;
	remoteAction?(this: ServiceBroker, next: Next, action: ActionDefinition): Next;
}

export const asMiddlewares = (list: readonly (Middleware | string)[]): NonNullable<BrokerOptions["middlewares"]> =>
	list as unknown as NonNullable<BrokerOptions["middlewares"]>;
