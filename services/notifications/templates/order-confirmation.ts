import { escapeHtml } from "../../../lib/html.ts";
import { formatMoney } from "../../../lib/money.ts";
import type { Address, Order } from "../../orders/orders.contract.ts";
import { layout, type Rendered } from "./template.ts";

/**
 * Tells the customer that the order is paid. The address of an order was verified by nobody: whoever buys may have given a
 * stranger's. So nothing that the buyer wrote is in it, no name and no street, which could be any message with any link.
 */
export function orderConfirmation(order: Order): Rendered {
	const subject = `Your order ${order.number}`;
	const thanks = `Thank you for your order ${order.number}. We have received your payment of ${formatMoney(order.payment.amount)}.`;
	const lines = order.lines.map(line => ({
		what: `${line.quantity} × ${line.title}`,
		price: formatMoney(line.lineTotal),
	}));
	const sums = [
		{ what: "Subtotal", price: order.totals.subtotal },
		{ what: "Discount", price: order.totals.discount },
		{ what: "Shipping", price: order.totals.shipping },
		{ what: "Tax", price: order.totals.tax },
	]
		.filter(({ what, price }) => what === "Subtotal" || price.amount !== 0)
		.concat({ what: "Total", price: order.totals.total })
		.map(({ what, price }) => ({ what, price: formatMoney(price) }));
	const rows = [...lines, ...sums];
	const where = `Shipped to ${placeOf(order.shippingAddress)}.`;
	const cells = rows.map(
		({ what, price }) =>
			`<tr><td>${escapeHtml(what)}</td><td style="text-align:right;white-space:nowrap">${escapeHtml(price)}</td></tr>`,
	);
	return {
		subject,
		text: `${thanks}\n\n${rows.map(({ what, price }) => `${what}: ${price}`).join("\n")}\n\n${where}\n`,
		html: layout(
			subject,
			`<p>${escapeHtml(thanks)}</p><table style="width:100%;border-collapse:collapse">${cells.join("")}</table>` +
				`<p>${escapeHtml(where)}</p>`,
		),
	};
}

/** Enough to recognise it. A postal code is one only as far as it looks like one. */
const placeOf = ({ postalCode, country }: Address): string =>
	[/^[A-Za-z0-9][A-Za-z0-9 -]{0,11}$/.test(postalCode ?? "") ? postalCode : undefined, country]
		.filter(Boolean)
		.join(", ");
