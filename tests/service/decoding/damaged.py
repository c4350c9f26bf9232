"""A file that ends the process that decodes it: there is no exception that could be caught."""

import zlib
from base64 import b85decode

# A page of booleans says of its gaps that they are some 2**61: found by the fuzz of tests/service/api.
_MONSTROUS = (
    rb"c-q}mPiqrF6rT-Y-E1PXkQsJi4?)PX#Zr^CF^Qzs**2JB)MPJ`OL1eeX`$&#Qky>)J&JhnBZ$YI#6v!SXHQ<e<THo|Z}Gj!HYtK="
    rb"kNTLI_wP4v-y42xjk{S&=;tf2*69#Tnaaj3VktyO^sW|K(``5+u!qux0LYK+bLhVwe=(cQ{>Qm48>gzCCbF(czy~&D?-f|4Qu-Y$"
    rb"Xp|;tvI+_UNDdE=CUD837LsaZPAbcinwsQ6E(Uw`>!gcImf~k9G@<8+yaHbxiLbtqV40Jc`6_ndDik%Su}()zrb?0~7&+%=cV0G5"
    rb"NjSq;RCAeYPSw&9uCGS)<q!)Kh9^1;(~<|fi2*AN5ZF?PFqlH&X^1c<F}fd`Q<b`C(uiKIM0-JSLS;hLbOhd$&;;sHnp6#h5cI~-"
    rb"pl;|T^Gq==`Sk32f-?3kPVW%&lWP3k8?x6|;nIf$y++KBapO-f#oi(O3&Pn;l?_b=R1!zk65MqkJ-*$4deH8A+S|wtl)@edDdSN%"
    rb"1%Fr%eG$6Pd7tkHUFX+pkRJ>%4wpJ1?g1#Lfld_<j`w#uSo$8i4iE8|5-^b62Id8{5};p3zw#^It)Jryn0FR^IXR5xv7fO3h-Sq1"
    rb"czIVe;p|~4&}Hl&WH2vP>*3H4YH+8ssJF@a))vto)`BCi*H2l`Mkfcs@mlJ%-RmC)$0>UwyOBv*&F6<ltyJDGX6$C`rti1xyzdw6"
    rb"R(8|Q7rac-vx_<3xBa}=ZWZk{y#%zGFY*KkUxVNGPvVpF>H"
)


def parquet_of_a_monstrous_page() -> bytes:
    """A Parquet file of 60 rows that makes polars ask for 2**61 bytes, and abort."""
    return zlib.decompress(b85decode(_MONSTROUS))
