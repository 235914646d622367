import { createHash } from "node:crypto";
import type { ParkedItem } from "../../lib/attempts.ts";
import { decodeCursor, encodeCursor } from "../../lib/cursor.ts";
import { NotYet } from "../../lib/not-yet.ts";
import { listRules } from "../../lib/rules.ts";
import { defineService } from "../../lib/typed.ts";
import { consumer } from "../../mixins/consumer.mixin.ts";
import { type DbVars, db } from "../../mixins/db.mixin.ts";
import { parking } from "../../mixins/parking.mixin.ts";
import type { MailMessage } from "../../ports/mail/port.ts";
import { type Claim, DeliveryRepository, LEASE_MS } from "./deliveries.repository.ts";
import type { Delivery } from "./notifications.contract.ts";
import { type DeliveryDocument, notificationModels } from "./notifications.model.ts";
import { orderConfirmation } from "./templates/order-confirmation.ts";
import type { Rendered } from "./templates/template.ts";
import { verifyEmail } from "./templates/verify-email.ts";

interface Vars extends DbVars<typeof notificationModels> {
	repository: DeliveryRepository;
}
interface Methods {
	/** @param resumed a parked one, once more */
	confirmOrder(eventId: string, orderId: string, resumed?: boolean): Promise<void>;
	askToVerify(eventId: string, registrationId: string, resumed?: boolean): Promise<void>;
	/**
	 * Sends one message because of one event, at least once and always under the same Message-ID. After `MAX_SENDS` tries
	 * in vain, or when no try can help, it is parked.
	 * @throws NotYet while another node sends it; what the mail server said
	 */
	deliver(message: Message, content: Rendered, resumed: boolean): Promise<void>;
	send(claim: Claim, message: MailMessage): Promise<void>;
}

interface Message {
	eventId: string;
	template: string;
	/** The order, the registration. */
	aboutId: string;
	to: string;
}

/** About an hour of a mail server's absence over NATS, ten minutes in one process (where the relay's own pauses count). */
const MAX_SENDS = 16;
/** What fails before a message can be made has a few tries more; after them the event is a dead letter. */
const RETRY = { maxAttempts: MAX_SENDS + 8, baseMs: 500, maxMs: 600_000 };

export default defineService<Record<string, unknown>, Methods, Vars>()({
	name: "notifications",
	mixins: [
		consumer<Vars, Methods>(
			{
				async "account.registered"({ id, data }) {
					// One that an earlier version told names an account, whose link would be good for nothing now.
					if (data.registrationId) await this.askToVerify(id, data.registrationId);
				},
				async "order.placed"({ id, data }) {
					await this.confirmOrder(id, data.orderId);
				},
			},
			RETRY,
		),
		parking<Vars, Methods>({
			mails: {
				async list(limit) {
					return (await this.repository.parked(limit)).map(toParked);
				},
				count() {
					return this.repository.countParked();
				},
				async resume(id) {
					const delivery = await this.repository.byId(id);
					if (!delivery?.parkedAt) return false;
					const { eventId, aboutId, template } = delivery;
					if (template === "verify-email") await this.askToVerify(eventId, aboutId, true);
					else await this.confirmOrder(eventId, aboutId, true);
					return true;
				},
			},
		}),
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
					items: rows.slice(0, limit).map(toDelivery),
					nextCursor: last ? encodeCursor([last.createdAt.getTime(), last._id]) : null,
				};
			},
		},
	},
	methods: {
		async askToVerify(eventId, registrationId, resumed = false) {
			const registration = await this.broker.call("auth.verificationToken", { registrationId });
			// Verified meanwhile, or gone: there is nothing to ask for.
			if (!registration) return;
			const { email, token } = registration;
			const url = `${this.broker.stoa.publicUrl}/verify-email?token=${encodeURIComponent(token)}`;
			const message = { eventId, template: "verify-email", aboutId: registrationId, to: email };
			await this.deliver(message, verifyEmail({ url, token }), resumed);
		},
		async confirmOrder(eventId, orderId, resumed = false) {
			const order = await this.broker.call("orders.snapshot", { id: orderId });
			const message = { eventId, template: "order-confirmation", aboutId: orderId, to: order.email };
			await this.deliver(message, orderConfirmation(order), resumed);
		},
		async deliver({ to, ...about }, content, resumed) {
			const { clock, config } = this.broker.stoa;
			const { eventId, template } = about;
			const recipient = createHash("sha256").update(to.toLowerCase()).digest("hex").slice(0, 16);
			const domain = config.mailFrom.address.split("@")[1];
			const messageId = `<${eventId}.${template}.${recipient}@${domain}>`;
			const delivery = { _id: `${eventId}:${template}:${recipient}`, ...about, messageId, createdAt: clock.now() };
			const claim = await this.repository.claim(delivery, clock.now(), resumed);
			if (claim === "over") return;
			if (claim === "taken") throw new NotYet("another node sends this message");
			await this.send(claim, { messageId, to, ...content });
		},
		async send(claim, message) {
			const { mail, clock } = this.broker.stoa;
			const renewing = setInterval(() => {
				const onError = (error: unknown) => this.logger.warn(`The claim of ${claim.id} was not renewed`, error);
				this.repository.renew(claim, clock.now()).catch(onError);
			}, LEASE_MS / 3);
			try {
				await mail.send(message);
			} catch (error) {
				const isUnusable = error instanceof Error && error.name === "UnusableAddress";
				const isOver = isUnusable || claim.attempts >= MAX_SENDS;
				const why = isUnusable ? "its address is not one" : "the mail server did not take it";
				await this.repository.failed(claim, why, isOver ? clock.now() : undefined);
				if (!isOver) throw error;
				this.logger.error(`${claim.id} is parked after ${claim.attempts} attempts: ${why}`);
				return;
			} finally {
				clearInterval(renewing);
			}
			if (!(await this.repository.sent(claim, clock.now())))
				this.logger.warn(`${claim.id} took longer than its claim: it is sent twice, as the same message`);
		},
	},
	created() {
		this.repository = new DeliveryRepository(this.models.deliveries);
	},
	async started() {
		await this.broker.stoa.mail.open();
	},
});

const toDelivery = (document: DeliveryDocument): Delivery => ({
	id: document._id,
	eventId: document.eventId,
	template: document.template,
	channel: document.channel,
	messageId: document.messageId,
	status: document.status,
	attempts: document.attempts,
	lastError: document.lastError,
	createdAt: document.createdAt.toISOString(),
	sentAt: document.sentAt?.toISOString() ?? null,
});

const toParked = ({ _id: id, attempts, lastError, parkedAt, template }: DeliveryDocument): ParkedItem => ({
	id,
	attempts,
	error: lastError ?? "it stopped while it was tried again",
	parkedAt: parkedAt ?? new Date(0),
	about: template,
});
