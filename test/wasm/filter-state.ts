// The protobuf argument of Envoy's foreign function set_envoy_filter_state: 1 path, 2 value (both
// bytes), 3 span (varint). Only what the plugin may send; anything else is an error.

interface FilterStateArgument {
  path: string;
  value: string;
  span: number;
}

export function filterStateFromArgument(bytes: Buffer): FilterStateArgument {
  const found: FilterStateArgument = { path: "", value: "", span: 0 };
  let offset = 0;
  while (offset < bytes.length) {
    const tag = bytes.readUInt8(offset);
    const low = bytes.readUInt8(offset + 1);
    const high = low > 127 ? bytes.readUInt8(offset + 2) : 0;
    const number = (low & 0x7f) | (high << 7);
    offset += low > 127 ? 3 : 2;
    if (high > 127) throw new Error(`varint of more than two bytes at ${offset}`);
    if (tag === 0x18) {
      found.span = number;
      continue;
    }
    if (tag !== 0x0a && tag !== 0x12) throw new Error(`tag ${tag} in the filter state's argument`);
    if (offset + number > bytes.length) throw new Error("the filter state's argument is cut short");
    const text = bytes.toString("latin1", offset, offset + number);
    if (tag === 0x0a) found.path = text;
    else found.value = text;
    offset += number;
  }
  return found;
}
