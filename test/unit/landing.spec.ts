import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";

const file = (name: string) => readFileSync(join(import.meta.dirname, "..", "..", "public", name), "utf8");

describe("The landing page", () => {
	it("names the address that it was reached at, and no port that may be another one's", () => {
		const spans = [...file("index.html").matchAll(/<span class="origin">([^<]*)<\/span>/g)];
		expect(spans.length).toBeGreaterThan(1);
		expect(file("index.html").replaceAll(/<span class="origin">[^<]*<\/span>/g, "")).not.toMatch(/localhost:\d+/);
		expect(file("index.html")).toContain('<script src="/index.js" defer></script>');
		const elements = spans.map(([, textContent]) => ({ textContent }));
		const document = { querySelectorAll: (selector: string) => (selector === ".origin" ? elements : []) };
		runInNewContext(file("index.js"), { document, location: { origin: "https://shop.example:8443" } });
		expect(new Set(elements.map(({ textContent }) => textContent))).toEqual(new Set(["https://shop.example:8443"]));
	});
});
