// Reads an AsyncAPI document with AsyncAPI's parser and generates TypeScript with modelina; prints the name
// of each model. Any finding of the parser, and a model without a name, is an error.
const { readFileSync } = require('node:fs');
const { TypeScriptGenerator } = require('@asyncapi/modelina');
const { Parser } = require('@asyncapi/parser');

// The document is AsyncAPI 3.0, as its readers expect, not the latest.
const ACCEPTED = ['asyncapi-latest-version'];

async function main(file) {
    const text = readFileSync(file, 'utf8');
    const { document, diagnostics } = await new Parser().parse(text);
    const found = diagnostics.filter(({ code }) => !ACCEPTED.includes(code));
    const lines = found.map(({ code, path, message }) => `${code} at ${path.join('.')}: ${message}`);
    const models = document ? await new TypeScriptGenerator().generate(JSON.parse(text)) : [];
    const names = models.map((model) => model.modelName);
    const nameless = names.filter((name) => name.startsWith('Anonymous'));
    lines.push(...nameless.map((name) => `${name}: a schema without a name`));
    if (!document || lines.length > 0) {
        throw new Error(lines.join('\n') || 'the document cannot be read');
    }
    console.log(names.join('\n'));
}

main(process.argv[2]).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
});
