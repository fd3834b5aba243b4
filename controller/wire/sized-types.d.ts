// AssemblyScript's sized number types, which the constants of plugin/wire/layout.ts have.
type u8 = number;
type u16 = number;
type u32 = number;
