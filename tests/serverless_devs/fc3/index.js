// Stands in for the component fc3 where nothing is deployed. The real one comes from its vendor's own registry, which a
// check without a network cannot ask; all that `s verify` wants of a component is the text of its schema.
const fs = require("fs");
const path = require("path");

class SchemaOnly {
  constructor({ logger }) {
    this.logger = logger;
  }

  async getSchema() {
    return fs.readFileSync(path.join(__dirname, "schema.json"), "utf8");
  }

  // For the tests: what the real component would be given, in the file that RECORD names; and in the log, as the real one.
  async deploy(inputs) {
    this.logger.debug(`input props: ${JSON.stringify(inputs.props)}`);
    fs.appendFileSync(process.env.RECORD, JSON.stringify({ props: inputs.props, args: inputs.args }) + "\n");
    return {};
  }
}

module.exports = SchemaOnly;
module.exports.default = SchemaOnly;
exports.default = SchemaOnly;
