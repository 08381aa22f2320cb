// SPDX-License-Identifier: Apache-2.0
// A memory of 128-bit rows with one write and one read port; a row appears two clocks after its address, as block and
// ultra RAM with their output register give it. Contents after power-up are undefined.
`default_nettype none
module key_ram #(
    parameter ROWS = 64,
    parameter ADDRESS_BITS = 6
) (
    input  wire                    clock,
    input  wire                    write,
    input  wire [ADDRESS_BITS-1:0] write_at,
    input  wire [           127:0] write_data,
    input  wire [ADDRESS_BITS-1:0] read_at,
    output reg  [           127:0] read_data
);
  reg [127:0] rows[0:ROWS-1];
  reg [127:0] fetched;
  always @(posedge clock) begin
    if (write) rows[write_at] <= write_data;
    fetched   <= rows[read_at];
    read_data <= fetched;
  end
endmodule
`default_nettype wire
