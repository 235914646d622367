import type { Engine } from "./engine.ts";
import { Evaluation } from "./expressions.ts";
import { noCosts, select } from "./select.ts";

/** Removes what its TTL index says has expired, and closes cursors nobody asks for. */
export function sweep(engine: Engine, now: Date = new Date()): number {
	let removed = 0;
	engine.cursors.closeIdle();
	for (const collections of engine.dbs.values()) {
		for (const collection of collections.values()) {
			for (const { spec, fields } of collection.secondary) {
				const [field] = fields;
				if (spec.expireAfterSeconds === undefined || fields.length !== 1 || !field) continue;
				// Below every date is no date, so the type's own bracket keeps other values out.
				const limit = new Date(now.getTime() - spec.expireAfterSeconds * 1000);
				const filter = { ...spec.partialFilterExpression, $and: [{ [field]: { $lt: limit } }] };
				const expired = select(collection, { filter, hint: spec.name, evaluation: new Evaluation() }, noCosts());
				for (const s of expired) engine.remove(collection, s);
				removed += expired.length;
			}
		}
	}
	return removed;
}

/** Sweeps by the parameters, which may change while it runs. @returns how to stop it */
export function startSweeping(engine: Engine): () => void {
	let timer: NodeJS.Timeout;
	const next = () => {
		timer = setTimeout(() => {
			if (engine.params.ttlMonitorEnabled) sweep(engine);
			next();
		}, Math.max(1, engine.params.ttlMonitorSleepSecs) * 1000);
		timer.unref();
	};
	next();
	return () => clearTimeout(timer);
}
