@0xb8d1c8f5a3e6d217;

struct Record {
  payload @0 :Data;
}
