import type { ServiceSchema } from "moleculer";
import type { ParkedItem } from "../lib/attempts.ts";
import { type AppService, defineMixin } from "../lib/typed.ts";

/** One kind of work that a service tries again and, after too many tries, parks in its documents. */
export interface ParkedKind<This> {
	/** What is parked, the oldest first; served by an index. */
	list(this: This, limit: number): Promise<ParkedItem[]>;
	count(this: This): Promise<number>;
	/** Starts the tries anew. @returns false when nothing of this id is parked */
	resume(this: This, id: string): Promise<boolean>;
}

type Kinds<This> = Readonly<Record<string, ParkedKind<This>>>;
/** A service may have kinds from several sides: its own sagas, and what its mixins park. */
interface Parked<This> {
	parkedKinds: Kinds<This>;
}

/**
 * Shows operators the work that a service gave up, and lets them resume it: the actions `<service>.parked` and
 * `<service>.resume`, and the metric `stoa_parked`. The service's documents hold it; nothing is kept here.
 */
export function parking<V, M = object>(
	kinds: Kinds<AppService<Record<string, unknown>, M, V>>,
): Partial<ServiceSchema> {
	type This = AppService<Record<string, unknown>, M, V>;
	const own = defineMixin<Parked<This>>({
		created() {
			this.parkedKinds = { ...this.parkedKinds, ...kinds };
		},
		started() {
			this.broker.stoa.metrics.countParked(this.name, async () => {
				const counts = Object.entries(this.parkedKinds).map(async ([kind, { count }]) => [
					kind,
					await count.call(this as unknown as This),
				]);
				return Object.fromEntries(await Promise.all(counts));
			});
		},
	});
	const actions = {
		parked: {
			visibility: "public",
			params: { $$strict: true, limit: { type: "number", integer: true, min: 1, max: 100, default: 100 } },
			async handler(this: This & Parked<This>, ctx: { params: { limit: number } }) {
				const lists = Object.entries(this.parkedKinds).map(async ([kind, { list }]) =>
					(await list.call(this, ctx.params.limit)).map(item => ({ kind, ...item })),
				);
				return (await Promise.all(lists)).flat();
			},
		},
		resume: {
			visibility: "public",
			params: { $$strict: true, kind: { type: "string", max: 200 }, id: { type: "string", max: 200 } },
			async handler(this: This & Parked<This>, ctx: { params: { kind: string; id: string } }) {
				const kind = new Map(Object.entries(this.parkedKinds)).get(ctx.params.kind);
				return { resumed: (await kind?.resume.call(this, ctx.params.id)) ?? false };
			},
		},
	};
	return { mixins: [own], actions: actions as unknown as ServiceSchema["actions"] };
}
