// Draws /api/v1/openapi.json. Everything is set as text, so nothing in the document can become markup.

const el = (name, attributes = {}, ...children) => {
	const node = document.createElement(name);
	for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
	node.append(...children.filter(child => child !== undefined && child !== null));
	return node;
};

const nameOfRef = ref => ref.split("/").at(-1);

/** A schema in a few words: `string (max 50), optional`. */
function typeOf(schema) {
	if (!schema) return "";
	if (schema.$ref) return nameOfRef(schema.$ref);
	if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
	if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(" | ");
	if (schema.const !== undefined) return JSON.stringify(schema.const);
	if (schema.type === "array") return `${typeOf(schema.items) || "any"}[]`;
	const type = [schema.type ?? "any"].flat().join(" | ");
	const bounds = [
		schema.format,
		schema.minimum !== undefined && `from ${schema.minimum}`,
		schema.maximum !== undefined && `to ${schema.maximum}`,
		schema.minLength !== undefined && `min ${schema.minLength}`,
		schema.maxLength !== undefined && `max ${schema.maxLength}`,
		schema.default !== undefined && `default ${schema.default}`,
	].filter(Boolean);
	return bounds.length > 0 ? `${type} (${bounds.join(", ")})` : type;
}

function rowsOf(schema, prefix = "") {
	const required = new Set(schema?.required ?? []);
	return Object.entries(schema?.properties ?? {}).flatMap(([name, field]) => {
		const path = prefix + name;
		const nested = field.type === "array" ? field.items : field;
		const row = { name: path, type: typeOf(field), isRequired: required.has(name), note: field.description ?? "" };
		return [row, ...(nested?.properties ? rowsOf(nested, `${path}${field.type === "array" ? "[]" : ""}.`) : [])];
	});
}

function table(rows) {
	const head = el("tr", {}, ...["Field", "Type", "", ""].map(title => el("th", {}, title)));
	const lines = rows.map(({ name, type, isRequired, note }) =>
		el(
			"tr",
			{},
			el("td", {}, el("code", {}, name)),
			el("td", {}, type),
			el("td", {}, isRequired ? "required" : ""),
			el("td", {}, note),
		),
	);
	return el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines));
}

const linked = schema => {
	const name = schema?.$ref && nameOfRef(schema.$ref);
	return name ? el("a", { href: `#schema-${name}` }, name) : el("span", {}, typeOf(schema) || "nothing");
};

function access({ security = [], "x-permissions": permissions }) {
	if (permissions) return `needs ${permissions.join(", ")}`;
	return security.some(option => Object.keys(option).length === 0) ? "for everyone" : "for the signed-in";
}

function operationOf(path, method, operation) {
	const body = operation.requestBody?.content ?? {};
	const [mediaType, content] = Object.entries(body)[0] ?? [];
	const parameters = operation.parameters.map(({ name, in: place, schema, required, description = "" }) => ({
		name: `${name} (${place})`,
		type: typeOf(schema),
		isRequired: required,
		note: description,
	}));
	const answers = Object.entries(operation.responses).map(([status, answer]) => {
		const schema = answer.content?.["application/json"]?.schema;
		return el("li", {}, el("code", {}, status), " ", schema ? linked(schema) : (answer.description ?? "problem"));
	});
	const details = el(
		"details",
		{ class: "operation", id: operation.operationId },
		el(
			"summary",
			{},
			el("span", { class: `method ${method}` }, method.toUpperCase()),
			el("span", { class: "path" }, path),
			el("span", { class: "soft" }, operation.summary),
		),
		el(
			"div",
			{},
			el("p", { class: "soft" }, `${operation.operationId}, ${access(operation)}`),
			operation.description ? el("p", {}, operation.description) : null,
			...(parameters.length > 0 ? [el("h4", {}, "Parameters"), table(parameters)] : []),
			...(mediaType ? [el("h4", {}, `Body: ${mediaType}`), table(rowsOf(content.schema))] : []),
			el("h4", {}, "Answers"),
			el("ul", {}, ...answers),
		),
	);
	details.dataset.text = `${method} ${path} ${operation.summary} ${operation.operationId}`.toLowerCase();
	return details;
}

function draw(spec) {
	document.getElementById("about").textContent = spec.info.description;
	const byTag = new Map();
	for (const [path, operations] of Object.entries(spec.paths))
		for (const [method, operation] of Object.entries(operations)) {
			const resolved = Object.fromEntries(
				Object.entries(operation.responses).map(([status, answer]) => [
					status,
					answer.$ref ? spec.components.responses[nameOfRef(answer.$ref)] : answer,
				]),
			);
			const tag = operation.tags[0];
			byTag.set(tag, [...(byTag.get(tag) ?? []), operationOf(path, method, { ...operation, responses: resolved })]);
		}
	const sections = [...byTag]
		.sort(([a], [b]) => a.localeCompare(b))
		.map(([tag, operations]) => el("section", {}, el("h2", {}, tag), ...operations));
	document.getElementById("operations").replaceChildren(...sections);
	const schemas = Object.entries(spec.components.schemas).map(([name, schema]) =>
		el(
			"details",
			{ class: "operation", id: `schema-${name}` },
			el("summary", {}, el("code", {}, name)),
			el("div", {}, table(rowsOf(schema))),
		),
	);
	document.getElementById("schemas").replaceChildren(el("h2", {}, "Schemas"), ...schemas);
	openTarget();
}

function filter(wanted) {
	const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
	for (const section of document.querySelectorAll("#operations section")) {
		const operations = [...section.querySelectorAll("details")];
		for (const one of operations) one.hidden = !words.every(word => one.dataset.text.includes(word));
		section.hidden = operations.every(one => one.hidden);
	}
}

function openTarget() {
	const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
	if (!(target instanceof HTMLDetailsElement)) return;
	target.open = true;
	target.scrollIntoView();
}

document.getElementById("search").addEventListener("input", event => filter(event.target.value));
addEventListener("hashchange", openTarget);
fetch("/api/v1/openapi.json")
	.then(answer => (answer.ok ? answer.json() : Promise.reject(new Error(`The gateway answered ${answer.status}`))))
	.then(draw, error => {
		document.getElementById("about").textContent = `The description could not be read: ${error.message}`;
	});
