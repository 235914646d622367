import type {
	ActionSchema,
	CallingOptions,
	Context,
	EventSchema,
	Service,
	ServiceBroker,
	ServiceHooks,
	ServiceSchema,
	ServiceSettingSchema,
} from "moleculer";
import type { EventName } from "../ports/events/port.ts";
import type { ActionContracts } from "./contracts.ts";
import type { Access, Principal } from "./permissions.ts";
import type { Runtime } from "./runtime.ts";

/**
 * The typed layer over Moleculer, which types no call: contracts say what every action takes and gives, and
 * `defineService` holds a service to its own. Raw `Context`, `ServiceSchema` and `ServiceBroker` stay in `lib/`,
 * `mixins/`, `middlewares/` and `test/support/`.
 */

export type ActionName = keyof ActionContracts & string;
export type { EventName };
export type ParamsOf<K extends ActionName> = ActionContracts[K] extends { params: infer P } ? P : never;
export type ResultOf<K extends ActionName> = ActionContracts[K] extends { result: infer R } ? R : never;

/** What travels with a call, and with every call it causes. Small on purpose, and never a secret. */
export interface AppMeta {
	/** Who calls, as the gateway proved it; absent for guests and for calls the cluster makes itself. */
	user?: Principal;
	/** The client's address, behind the trusted proxies. */
	clientAddress?: string;
	/** From `Idempotency-Key`. */
	idempotencyKey?: string;
	/** The version from `If-Match`. */
	ifMatch?: number;
	/** From `X-Order-Token`: what lets a guest read an order. */
	orderToken?: string;
	/** Names the upload in `ctx.stream`, for the hint that nobody waits for it any more. */
	uploadId?: string;
	/** Answer: the gateway turns these into the status and headers. */
	$statusCode?: number;
	$responseHeaders?: Record<string, string>;
}

type CallOptions = Omit<CallingOptions, "meta"> & { meta?: Partial<AppMeta> };
type CallArgs<P> = [P] extends [void]
	? [params?: undefined, opts?: CallOptions]
	: Partial<P> extends P
		? [params?: P, opts?: CallOptions]
		: [params: P, opts?: CallOptions];

export interface TypedCaller {
	call<K extends ActionName>(action: K, ...args: CallArgs<ParamsOf<K>>): Promise<ResultOf<K>>;
}

/** Moleculer's own emit and broadcast lose messages: durable events go through the outbox instead. */
type Untyped = "call" | "mcall" | "emit" | "broadcast" | "broadcastLocal";

export type AppBroker = Omit<ServiceBroker, Untyped> & TypedCaller & { stoa: Runtime };
export type AppContext<P = unknown> = Omit<Context<P, AppMeta>, Untyped | "broker" | "service"> &
	TypedCaller & { broker: AppBroker };
export type AppService<S, M, V> = Omit<Service<S>, "broker" | "actions"> & { broker: AppBroker } & M & V;

type LocalAction<N extends string> = ActionName extends infer K ? (K extends `${N}.${infer A}` ? A : never) : never;
type Full<N extends string, A extends string> = `${N}.${A}` & ActionName;

/** A fastest-validator rule; objects in it are strict unless they say otherwise. */
export type ParamRule = string | Record<string, unknown>;
/** One rule per param of the contract; a missing or an extra one is a compile error. */
export type ParamRules<P> = [P] extends [void] ? Record<string, never> : { [K in keyof P]-?: ParamRule };

/** A route of an action, below `/api/v1`. */
export interface RestRoute {
	/** Method and path: `"GET /products/:idOrSlug"`. */
	route: string;
	/** The status of a success; 200 unless stated. */
	status?: number;
	/** What the body is: JSON (default), a stream in `ctx.stream` (read with `uploadedBytes`), or the raw bytes as `ctx.params.body` (base64). */
	body?: "json" | "stream" | "raw";
	/** Where the created resource is, from the result: `Location: /api/v1/orders/{id}` for `"/orders/:id"`. */
	location?: string;
	/** Served from the root instead of `/api/v1`. */
	isRoot?: boolean;
	/** Counts against the stricter limit of authentication routes. */
	isAuth?: boolean;
	/** A probe of the machinery that runs the shop: never limited, logged only when it fails. */
	isProbe?: boolean;
}

/** A cached query: see `middlewares/cache.ts`. */
export interface CacheRule {
	/** Whose generation the value lives under: every write of it makes the value stale on all nodes. */
	aggregate: string;
	/** The params that make the key. */
	keys: readonly string[];
	ttlMs: number;
}

/** What OpenAPI shows beside what it derives from `params`. */
export interface OpenApiNote {
	summary: string;
	description?: string;
	/** The DTO of a success, a JSON Schema or a name in `components.schemas`. */
	response?: string | Record<string, unknown>;
	tags?: string[];
}

interface ActionBase<P, R, This>
	extends Omit<ActionSchema, "params" | "handler" | "hooks" | "rest" | "visibility" | "cache"> {
	params: ParamRules<P>;
	/** True for queries, and for commands that may safely run twice. */
	isIdempotent?: boolean;
	cached?: CacheRule;
	/**
	 * Who keeps the `Idempotency-Key`: the aggregate itself (the handler does it), the service's `commands` collection
	 * (the middleware does it), or nobody. `isKeyRequired` answers 400 without one.
	 */
	idempotency?: "aggregate" | "commands" | "none";
	isKeyRequired?: boolean;
	/** The param whose value scopes a guest's keys (a cart's id); without one a guest's key must be unguessable. */
	keyScope?: string;
	timeout?: number;
	openapi?: OpenApiNote;
	handler(this: This, ctx: AppContext<P>): Promise<R> | R;
}
/** Published through the gateway: says who may call it, and what the reference shows. */
interface PublishedAction<P, R, This> extends ActionBase<P, R, This> {
	visibility: "published";
	rest: string | RestRoute;
	permissions: Access;
	openapi: OpenApiNote;
}
/** For other services (`public`), this node (`protected`) or this service (`private`). */
interface InternalAction<P, R, This> extends ActionBase<P, R, This> {
	visibility: "public" | "protected" | "private";
	rest?: never;
	permissions?: Access;
}
export type TypedAction<P, R, This> = PublishedAction<P, R, This> | InternalAction<P, R, This>;

type Broadcasts<This> = {
	[name: string]: Omit<EventSchema, "handler"> & {
		handler(this: This, ctx: AppContext<unknown>): Promise<void> | void;
	};
};

export interface ServiceDefinition<N extends string, S, M, V, This = AppService<S, M, V>> {
	name: N;
	settings?: S;
	dependencies?: ServiceSchema["dependencies"];
	metadata?: Record<string, unknown>;
	mixins?: Partial<ServiceSchema>[];
	hooks?: ServiceHooks<This>;
	actions: { [A in LocalAction<N>]: TypedAction<ParamsOf<Full<N, A>>, ResultOf<Full<N, A>>, This> };
	/** Non-durable hints between nodes only (a revoked session); facts travel through the outbox. */
	events?: Broadcasts<This>;
	methods?: M & ThisType<This>;
	created?(this: This): void;
	started?(this: This): Promise<void> | void;
	stopped?(this: This): Promise<void> | void;
}

/**
 * Defines a service that implements exactly its contract: every action of it, with one validation rule per param and
 * the right result. Unknown params are refused at every level.
 */
export function defineService<S extends ServiceSettingSchema = ServiceSettingSchema, M = object, V = object>() {
	return <const N extends string>(definition: ServiceDefinition<N, S, M, V>): ServiceSchema => {
		const schema = definition as unknown as ServiceSchema;
		for (const action of Object.values(schema.actions ?? {})) {
			if (typeof action === "object" && action.params)
				action.params = strict(action.params as ParamRule) as ActionSchema["params"];
		}
		return schema;
	};
}

/** What a mixin brings: its own methods and variables are typed for the services that name them. */
export interface MixinDefinition<This> {
	settings?: object;
	hooks?: ServiceHooks<This>;
	events?: Broadcasts<This>;
	created?(this: This): void;
	started?(this: This): Promise<void> | void;
	stopped?(this: This): Promise<void> | void;
}

export function defineMixin<V, M = object>(
	definition: MixinDefinition<AppService<ServiceSettingSchema, M, V>> & {
		methods?: M & ThisType<AppService<ServiceSettingSchema, M, V>>;
	},
): Partial<ServiceSchema> {
	return definition as unknown as Partial<ServiceSchema>;
}

/**
 * The validator leaves `undefined` where a rule of a missing field has a check of its own, and the database would keep
 * that as a null. @param check what the rule of the whole object has already
 */
function withoutUndefined(check: unknown): (value: unknown, ...rest: unknown[]) => unknown {
	return (value, ...rest) => {
		const checked: unknown = typeof check === "function" ? check(value, ...rest) : value;
		if (typeof checked !== "object" || checked === null) return checked;
		const fields = checked as Record<string, unknown>;
		for (const name of Object.keys(fields)) if (fields[name] === undefined) delete fields[name];
		return fields;
	};
}

/** Refuses unknown fields at every level of a rule, without changing the rule it is given. */
function strict(rules: ParamRule): ParamRule {
	if (typeof rules === "string") return rules;
	const walk = (rule: unknown): unknown => {
		if (Array.isArray(rule)) return rule.map(walk);
		if (typeof rule !== "object" || rule === null || rule instanceof RegExp) return rule;
		const copy: Record<string, unknown> = { ...rule };
		if (copy["type"] === "object") {
			copy["strict"] ??= true;
			copy["custom"] = withoutUndefined(copy["custom"]);
		}
		for (const key of ["props", "properties"]) {
			const nested = copy[key];
			if (typeof nested !== "object" || nested === null) continue;
			copy[key] = Object.fromEntries(Object.entries(nested).map(([name, value]) => [name, walk(value)]));
		}
		if (copy["items"] !== undefined) copy["items"] = walk(copy["items"]);
		if (copy["rules"] !== undefined) copy["rules"] = walk(copy["rules"]);
		return copy;
	};
	const root = Object.fromEntries(Object.entries(rules).map(([name, rule]) => [name, walk(rule)]));
	return { $$strict: true, ...root };
}
