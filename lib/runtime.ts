import type { CacheStore } from "../ports/cache/port.ts";
import type { EventBus } from "../ports/events/port.ts";
import type { JobQueue } from "../ports/jobs/port.ts";
import type { MailTransport } from "../ports/mail/port.ts";
import type { Clock } from "./clock.ts";
import type { Config } from "./config.ts";
import type { Database } from "./database.ts";
import type { Failpoints } from "./failpoints.ts";
import type { Health } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import type { SecurityLog } from "./security-events.ts";

/** What every service of a node shares, reached as `this.broker.stoa`: the settings and one engine per port. */
export interface Runtime {
	config: Config;
	/** Encrypts keys at rest, signs links: from `STOA_SECRET`, or generated into the data directory. */
	secret: string;
	/** Where clients reach the shop: `PUBLIC_URL`; with `PORT=0` the gateway of this node corrects it once it listens. */
	publicUrl: string;
	/** Corrected to the database's clock: all nodes agree on it. */
	clock: Clock;
	failpoints: Failpoints;
	database: Database;
	events: EventBus;
	jobs: JobQueue;
	cache: CacheStore;
	mail: MailTransport;
	metrics: Metrics;
	/** What may be an attack is told here. */
	security: SecurityLog;
	/** Every action that the shop's services publish, whether or not they run: what a gateway knows before it meets them. */
	shopActions: readonly ({ name: string } & Record<string, unknown>)[];
	/** Whether this node should get requests. */
	health: Health;
}
