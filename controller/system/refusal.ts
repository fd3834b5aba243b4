// The error of a refused request to the controller. The parts that carry out requests throw it;
// control/control-server.ts sends it to the command.

/** The request is valid but cannot be carried out; `message` is for the operator who asked. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}
