// Choose arrays of ResNet-20 layer by layer, from JavaScript, over JSON lines.
//
//     node examples/oracle_node.js [PROGRAM ARGUMENT...]
//
// PROGRAM is what answers, `xbarsim oracle --hardware nax` if left out. Every query is one line with an id of its own;
// answers come in the order of the queries.

"use strict";
const { spawn } = require("child_process");
const readline = require("readline");

const [program, ...rest] = process.argv.slice(2).length
  ? process.argv.slice(2)
  : ["xbarsim", "oracle", "--hardware", "nax"];
const oracle = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"] });
const answers = readline.createInterface({ input: oracle.stdout })[Symbol.asyncIterator]();

async function ask(query) {
  oracle.stdin.write(JSON.stringify(query) + "\n");
  const { value, done } = await answers.next();
  if (done) throw new Error("the oracle has ended");
  const answer = JSON.parse(value);
  if (answer.error) throw new Error(answer.error);
  return answer;
}

async function main() {
  const { about } = await ask({ id: 0, about: true });
  const sizes = [16, 32, 64, 128];
  const groups = ["conv1", "layer1.*", "layer2.*", "layer3.*", "fc"];
  const chosen = Object.fromEntries(groups.map((group) => [group, { array: 64 }]));
  const price = async (layers) => (await ask({ id: 1, network: "resnet20", layers })).cost.edap;

  const first = await price(chosen);
  let best = first;
  for (const group of groups) {
    for (const array of sizes) {
      const edap = await price({ ...chosen, [group]: { array } });
      if (edap < best) {
        best = edap;
        chosen[group] = { array };
      }
    }
  }
  console.log(JSON.stringify({ protocol: about.protocol, first, best, chosen }));
  oracle.stdin.end();
}

main().catch((error) => {
  console.error(error.message);
  oracle.kill();
  process.exitCode = 1;
});
