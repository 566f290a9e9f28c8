/** The slot of a key in Redis Cluster: CRC16 (XMODEM) of the key, modulo 16,384, by the specification of Redis Cluster. Pure. */

/**
 * @returns 0 to 16,383. In Redis the part between braces counts alone where a key has them. Those of the contract have none:
 * braces of ids are percent-encoded.
 */
export function slotOf(key: string): number {
  let crc = 0;
  for (const byte of Buffer.from(key)) crc = ((crc << 8) & 0xff_ff) ^ (TABLE[(crc >> 8) ^ byte] ?? 0);
  return crc % SLOTS;
}

const SLOTS = 16_384;
const POLYNOMIAL = 0x10_21;

const TABLE = Uint16Array.from({ length: 256 }, (_, index) => {
  let crc = index << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ ((crc & 0x80_00) === 0 ? 0 : POLYNOMIAL)) & 0xff_ff;
  return crc;
});
