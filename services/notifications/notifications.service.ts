import { createHash } from "node:crypto";
import { decodeCursor, encodeCursor } from "../../lib/cursor.ts";
import { listRules } from "../../lib/rules.ts";
import { defineService } from "../../lib/typed.ts";
import { consumer } from "../../mixins/consumer.mixin.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import { DeliveryRepository } from "./deliveries.repository.ts";
import { notificationModels } from "./notifications.model.ts";
import { orderConfirmation } from "./templates/order-confirmation.ts";
import type { Rendered } from "./templates/template.ts";
import { verifyEmail } from "./templates/verify-email.ts";

interface Vars extends DbVars<typeof notificationModels> {
	repository: DeliveryRepository;
}
interface Methods {
	/** Sends one message because of one event, at least once and always under the same Message-ID. */
	deliver(eventId: string, template: string, to: string, content: Rendered): Promise<void>;
}

/**
 * About an hour of a mail server's absence over NATS, ten minutes in one process (where the relay's own pauses count);
 * then the event is a dead letter, and can be replayed.
 */
const RETRY = { maxAttempts: 16, baseMs: 500, maxMs: 600_000 };

export default defineService<Record<string, unknown>, Methods, Vars>()({
	name: "notifications",
	mixins: [
		consumer<Vars, Methods>(
			{
				async "account.registered"({ id, data }) {
					const registration = await this.broker.call("auth.verificationToken", data);
					// Verified meanwhile, or gone: there is nothing to ask for.
					if (!registration) return;
					const { email, token } = registration;
					const url = `${this.broker.stoa.publicUrl}/verify-email?token=${encodeURIComponent(token)}`;
					await this.deliver(id, "verify-email", email, verifyEmail({ url, token }));
				},
				async "order.placed"({ id, data }) {
					const order = await this.broker.call("orders.snapshot", { id: data.orderId });
					await this.deliver(id, "order-confirmation", order.email, orderConfirmation(order));
				},
			},
			RETRY,
		),
		db(notificationModels),
	],
	actions: {
		list: {
			visibility: "published",
			rest: "GET /admin/notifications",
			permissions: ["notifications:read"],
			openapi: { summary: "What was sent, newest first", response: "DeliveryPage" },
			isIdempotent: true,
			params: { ...listRules, status: { type: "enum", values: ["sending", "sent", "failed"], optional: true } },
			async handler(ctx) {
				const { status, cursor, limit = 20 } = ctx.params;
				const [createdAt, id] = cursor ? decodeCursor(cursor, ["time", "string"]) : [];
				const after = createdAt && id !== undefined ? { createdAt, id } : undefined;
				const rows = await this.repository.page(status, after, limit + 1);
				const last = rows.length > limit ? rows[limit - 1] : undefined;
				return {
					items: rows.slice(0, limit).map(({ _id, createdAt, sentAt, ...row }) => ({
						id: _id,
						...row,
						createdAt: createdAt.toISOString(),
						sentAt: sentAt?.toISOString() ?? null,
					})),
					nextCursor: last ? encodeCursor([last.createdAt.getTime(), last._id]) : null,
				};
			},
		},
	},
	methods: {
		async deliver(eventId, template, to, content) {
			const { mail, clock, config } = this.broker.stoa;
			const recipient = createHash("sha256").update(to.toLowerCase()).digest("hex").slice(0, 16);
			const _id = `${eventId}:${template}:${recipient}`;
			const domain = config.mailFrom.address.split("@")[1];
			const messageId = `<${eventId}.${template}.${recipient}@${domain}>`;
			const claimed = await this.repository.claim({ _id, eventId, template, messageId, createdAt: clock.now() });
			if (!claimed) return;
			try {
				await mail.send({ messageId, to, ...content });
			} catch (error) {
				await this.repository.failed(_id, "the mail server did not take it");
				throw error;
			}
			await this.repository.sent(_id, clock.now());
		},
	},
	created() {
		this.repository = new DeliveryRepository(this.models.deliveries);
	},
	async started() {
		await this.broker.stoa.mail.open();
	},
});
