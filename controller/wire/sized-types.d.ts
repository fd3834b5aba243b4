// The sized number types of AssemblyScript that plugin/wire/layout.ts names its constants with.
type u8 = number;
type u16 = number;
type u32 = number;
