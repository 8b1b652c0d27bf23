// Says what comes after `s init`: a plain `s deploy` makes no trigger for door bearer, and nobody would guess the next step.
module.exports = {
  async preInit() {},

  async postInit({ logger }) {
    logger.info(
      [
        'Next:',
        '  1. put your tools into functions/mcp_server/tools.py',
        '  2. make run      tries them on this machine, behind the same door',
        '  3. s deploy      builds the function and deploys it',
        '  4. door bearer: docs/alibaba.md has the one command that makes its trigger and first token',
      ].join('\n'),
    );
  },
};
